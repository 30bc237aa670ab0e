// Node's http module with pg, as a cluster: GET /ping and GET /db.
//   node service_node.js PORT WORKERS DATABASE-URL
'use strict';
const cluster = require('cluster');
const http = require('http');

const [port, workers, connectionString] = process.argv.slice(2);
const WORLDS = 10000;
const WORLD = {
  name: 'world',
  text: 'select randomnumber from world where id = $1',
};

function serve() {
  const { Pool } = require('pg');
  const pool = new Pool({ connectionString, max: 8, idleTimeoutMillis: 0 });

  function reply(res, type, text) {
    res.writeHead(200, {
      'Content-Type': type,
      'Content-Length': Buffer.byteLength(text),
    });
    res.end(text);
  }

  async function row(res) {
    const id = 1 + Math.floor(Math.random() * WORLDS);
    const { rows } = await pool.query({ ...WORLD, values: [id] });
    const world = { id, randomNumber: rows[0].randomnumber };
    reply(res, 'application/json', JSON.stringify(world));
  }

  const server = http.createServer((req, res) => {
    if (req.url !== '/db') {
      reply(res, 'text/plain', 'Hello, world!\n');
      return;
    }
    row(res).catch((error) => {
      console.error(error);
      if (!res.headersSent) res.writeHead(500);
      res.end();
    });
  });
  server.keepAliveTimeout = 3600e3;
  server.requestTimeout = 0;
  server.headersTimeout = 0;
  server.listen({ port: +port, host: '127.0.0.1', backlog: 16384 });
}

// One worker needs no cluster, whose primary would cost it something.
if (+workers > 1 && cluster.isPrimary) {
  for (let i = 0; i < +workers; i++) cluster.fork();
} else {
  serve();
}
