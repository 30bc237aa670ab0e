// Node's http module fetching a backend n times at once.
//   node fanout.js PORT BACKEND-URL
'use strict';
const http = require('http');

const [port, backend] = process.argv.slice(2);
const url = new URL(backend);
const options = {
  host: url.hostname,
  port: url.port,
  path: url.pathname + url.search,
  agent: new http.Agent({
    keepAlive: true,
    maxSockets: Infinity,
    maxFreeSockets: Infinity,
  }),
};

function fetchOnce() {
  return new Promise((resolve, reject) => {
    const request = http.get(options, (response) => {
      let body = '';
      response.setEncoding('utf8');
      response.on('data', (part) => { body += part; });
      response.on('end', () => resolve(body));
    });
    request.on('error', reject);
  });
}

const server = http.createServer(async (req, res) => {
  const n = +new URL(req.url, 'http://front').searchParams.get('n');
  try {
    const bodies = await Promise.all(Array.from({ length: n }, fetchOnce));
    const body = bodies.join('');
    res.writeHead(200, {
      'Content-Type': 'text/plain',
      'Content-Length': Buffer.byteLength(body),
    });
    res.end(body);
  } catch (error) {
    res.writeHead(502, { 'Content-Length': 0 });
    res.end();
  }
});
server.keepAliveTimeout = 3600e3;
server.listen({ port: +port, host: '127.0.0.1' });
