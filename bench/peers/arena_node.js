// The seven classic tests in Node's http module with pg.
//   node arena_node.js PORT DATABASE-URL
'use strict';
const http = require('http');
const { Pool } = require('pg');

const [port, connectionString] = process.argv.slice(2);
const WORLDS = 10000;
const QUERIES_MAX = 500;
const pool = new Pool({ connectionString, max: 16, idleTimeoutMillis: 0 });

// What has a name is prepared once on each connection.
const WORLD = {
  name: 'world',
  text: 'select randomnumber from world where id = $1',
};
const ALL_WORLDS = 'select id, randomnumber from world';
const FORTUNES = {
  name: 'fortunes',
  text: 'select id, message from fortune',
};
const UPDATE = {
  name: 'update',
  text: `update world w set randomnumber = v.number
         from unnest($1::int[], $2::int[]) as v (id, number)
         where w.id = v.id`,
};

const anyWorld = () => 1 + Math.floor(Math.random() * WORLDS);

function number(query, name) {
  const n = parseInt(new URLSearchParams(query).get(name), 10);
  return Math.min(Math.max(n || 1, 1), QUERIES_MAX);
}

function reply(res, type, text) {
  res.writeHead(200, {
    Server: 'node',
    'Content-Type': type,
    'Content-Length': Buffer.byteLength(text),
  });
  res.end(text);
}

const replyJson = (res, value) =>
  reply(res, 'application/json', JSON.stringify(value));

const findWorld = async (id) => {
  const { rows } = await pool.query({ ...WORLD, values: [id] });
  return { id, randomNumber: rows[0].randomnumber };
};

const someIds = (count) => Array.from({ length: count }, anyWorld);

async function updates(res, query) {
  const ids = someIds(number(query, 'queries')).sort((a, b) => a - b);
  const worlds = await Promise.all(ids.map(findWorld));
  const fresh = new Map(ids.map((id) => [id, anyWorld()]));
  for (const world of worlds) world.randomNumber = fresh.get(world.id);
  const values = [[...fresh.keys()], [...fresh.values()]];
  await pool.query({ ...UPDATE, values });
  replyJson(res, worlds);
}

const ENTITIES = {
  '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;',
};
const escaped = (text) => text.replace(/[&<>"']/g, (c) => ENTITIES[c]);

async function fortunes(res) {
  const { rows } = await pool.query(FORTUNES);
  rows.push({ id: 0, message: 'Additional fortune added at request time.' });
  rows.sort((a, b) => (a.message < b.message ? -1 : 1));
  const table = rows.map(
    ({ id, message }) =>
      `<tr><td>${id}</td><td>${escaped(message)}</td></tr>`,
  );
  reply(
    res,
    'text/html; charset=utf-8',
    '<!DOCTYPE html><html><head><title>Fortunes</title></head><body><table>' +
      `<tr><th>id</th><th>message</th></tr>${table.join('')}` +
      '</table></body></html>',
  );
}

const cache = new Map();
async function cachedWorlds(res, query) {
  if (!cache.size) {
    const { rows } = await pool.query(ALL_WORLDS);
    for (const row of rows) cache.set(row.id, row.randomnumber);
  }
  const ids = someIds(number(query, 'count'));
  replyJson(res, ids.map((id) => ({ id, randomNumber: cache.get(id) })));
}

const routes = {
  '/plaintext': (res) => reply(res, 'text/plain', 'Hello, World!'),
  '/json': (res) => replyJson(res, { message: 'Hello, World!' }),
  '/db': async (res) => replyJson(res, await findWorld(anyWorld())),
  '/queries': async (res, query) => {
    const ids = someIds(number(query, 'queries'));
    replyJson(res, await Promise.all(ids.map(findWorld)));
  },
  '/fortunes': fortunes,
  '/updates': updates,
  '/cached-queries': cachedWorlds,
};

const server = http.createServer((req, res) => {
  const [path, query] = req.url.split('?', 2);
  const route = routes[path];
  if (!route) {
    res.writeHead(404).end();
    return;
  }
  Promise.resolve(route(res, query)).catch((error) => {
    console.error(error);
    if (!res.headersSent) res.writeHead(500);
    res.end();
  });
});
server.keepAliveTimeout = 3600e3;
server.requestTimeout = 0;
server.headersTimeout = 0;
server.listen({ port: +port, host: '127.0.0.1', backlog: 16384 });
