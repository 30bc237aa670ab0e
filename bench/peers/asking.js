// What node's clients of databases share: counting answers for some time.
'use strict';

// Keeps `concurrency` calls of ask() under way, and prints what bench/client.c
// prints.
module.exports = async function run(concurrency, seconds, warmUp, ask) {
  let answers = 0;
  let over = false;
  const keepAsking = async () => {
    while (!over) {
      await ask();
      answers++;
    }
  };
  const sleep = (s) => new Promise((done) => { setTimeout(done, s * 1000); });
  const runNs = () => {
    const { user, system } = process.cpuUsage();
    return (user + system) * 1000;
  };
  const asking = Array.from({ length: concurrency }, keepAsking);
  await Promise.race([sleep(warmUp), ...asking]);
  answers = 0;
  const began = process.hrtime.bigint();
  const used = runNs();
  await sleep(seconds);
  const took = Number(process.hrtime.bigint() - began) / 1e9;
  console.log(JSON.stringify(
    { answers, seconds: took, run_ns: runNs() - used }));
  over = true;
  await Promise.all(asking);
};
