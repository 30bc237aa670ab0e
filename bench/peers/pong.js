// Node's http module answering a constant.   node pong.js PORT
'use strict';
const http = require('http');

const BODY = Buffer.from('Hello, world!\n');
const HEADERS = {
  'Content-Type': 'text/plain',
  'Content-Length': BODY.length,
};

const server = http.createServer((req, res) => {
  res.writeHead(200, HEADERS);
  res.end(BODY);
});
server.keepAliveTimeout = 3600e3;
server.requestTimeout = 0;
server.headersTimeout = 0;
server.listen({ port: +process.argv[2], host: '127.0.0.1', backlog: 16384 });
