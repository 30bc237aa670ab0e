// Node's http client asking a server as fast as it is answered.
//   node client.js CONCURRENCY SECONDS WARM-UP-SECONDS URL
// Prints what bench/client.c prints.
'use strict';
const [concurrency, seconds, warmUp] = process.argv.slice(2, 5).map(Number);
const url = process.argv[5];
const http = require(url.startsWith('https') ? 'https' : 'http');
const agent = new http.Agent({ keepAlive: true, rejectUnauthorized: false });

let answers = 0;
let over = false;

function ask() {
  http.get(url, { agent }, (res) => {
    let bytes = 0;
    res.on('data', (piece) => { bytes += piece.length; });
    res.on('end', () => {
      if (res.statusCode !== 200 || !bytes) throw new Error('not 200');
      answers++;
      if (!over) ask();
    });
  });
}

const runNs = () => {
  const { user, system } = process.cpuUsage();
  return (user + system) * 1000;
};

for (let i = 0; i < concurrency; i++) ask();
setTimeout(() => {
  answers = 0;
  const began = process.hrtime.bigint();
  const run = runNs();
  setTimeout(() => {
    const took = Number(process.hrtime.bigint() - began) / 1e9;
    console.log(JSON.stringify(
      { answers, seconds: took, run_ns: runNs() - run }));
    over = true;
    setTimeout(() => process.exit(0), 200);
  }, seconds * 1000);
}, warmUp * 1000);
