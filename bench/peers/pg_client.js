// node's pg asking PostgreSQL for rows as fast as they come, by a pool of 16.
//   node pg_client.js CONCURRENCY SECONDS WARM-UP-SECONDS DSN
'use strict';
const { Pool } = require('pg');
const run = require('./asking.js');
const [concurrency, seconds, warmUp] = process.argv.slice(2, 5).map(Number);
const dsn = Object.fromEntries(
  process.argv[5].split(' ').map((word) => word.split('=')));
const ROWS = 10000;

const pool = new Pool({
  host: dsn.host, port: dsn.port, user: dsn.user, database: dsn.dbname, max: 16,
});

async function ask() {
  const id = Math.floor(Math.random() * ROWS) + 1;
  const { rows } = await pool.query({
    name: 'get', // prepared once on each connection
    text: 'select id, randomnumber from world where id = $1',
    values: [id],
  });
  if (rows[0].id !== id) throw new Error('another row');
}

run(concurrency, seconds, warmUp, ask).then(() => pool.end());
