// node's redis asking Redis for values as fast as they come. One connection,
// on which it pipelines what is asked in one turn of its loop.
//   node redis_client.js CONCURRENCY SECONDS WARM-UP-SECONDS SOCKET
'use strict';
const { createClient } = require('redis');
const run = require('./asking.js');
const [concurrency, seconds, warmUp] = process.argv.slice(2, 5).map(Number);
const KEYS = 10000;

const client = createClient({ socket: { path: process.argv[5] } });

async function ask() {
  const number = Math.floor(Math.random() * KEYS);
  if (!await client.get(`key:${String(number).padStart(12, '0')}`)) {
    throw new Error('no value');
  }
}

client.connect()
  .then(() => run(concurrency, seconds, warmUp, ask))
  .then(() => client.disconnect());
