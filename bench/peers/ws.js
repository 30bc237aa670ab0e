// node's ws echoing and broadcasting.   node ws.js PORT
'use strict';
const http = require('http');
const { WebSocketServer } = require('ws');

// Clients are remembered where something is sent to all of them.
const accepting = (options) => new WebSocketServer({
  noServer: true, clientTracking: false, perMessageDeflate: false, ...options,
});

const echoing = (options) => accepting(options).on('connection', (ws) => {
  ws.on('message', (data, binary) => { ws.send(data, { binary }); });
});

function broadcasting() {
  const server = accepting({ clientTracking: true });
  return server.on('connection', (ws) => {
    ws.on('message', (data, binary) => {
      for (const client of server.clients) client.send(data, { binary });
    });
  });
}

const byPath = {
  '/': echoing({}),
  '/broadcast': broadcasting(),
  '/contexts': echoing({ perMessageDeflate: { threshold: 1 } }),
};

const server = http.createServer();
server.on('upgrade', (req, socket, head) => {
  const accepts = byPath[req.url];
  accepts.handleUpgrade(req, socket, head, (ws) => {
    accepts.emit('connection', ws, req);
  });
});
server.listen({ port: +process.argv[2], host: '127.0.0.1', backlog: 16384 });
