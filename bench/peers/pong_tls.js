// Node's https module answering a constant, and a file from memory.
//   node pong_tls.js PORT CERTIFICATE KEY
'use strict';
const fs = require('fs');
const https = require('https');

const [port, cert, key] = process.argv.slice(2);
const BODY = Buffer.from('Hello, world!\n');

const server = https.createServer({
  cert: fs.readFileSync(cert),
  key: fs.readFileSync(key),
}, (req, res) => {
  if (req.url === '/bulk') {
    fs.createReadStream('bulk.bin', { highWaterMark: 65536 }).pipe(res);
    return;
  }
  res.writeHead(200, {
    'Content-Type': 'text/plain',
    'Content-Length': BODY.length,
  });
  res.end(BODY);
});
server.keepAliveTimeout = 3600e3;
server.requestTimeout = 0;
server.headersTimeout = 0;
server.listen({ port: +port, host: '127.0.0.1', backlog: 16384 });
