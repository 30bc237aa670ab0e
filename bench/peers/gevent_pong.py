"""gevent's WSGI server answering a constant.   gevent_pong.py PORT"""
import socket
import sys

from gevent.pywsgi import WSGIServer

BODY = b"Hello, world!\n"
HEADERS = [
    ("Content-Type", "text/plain"),
    ("Content-Length", str(len(BODY))),
]


def hello(environ, start_response):
    start_response("200 OK", HEADERS)
    return [BODY]


class Server(WSGIServer):
    """Without Nagle's delay: head and body leave in separate writes."""

    def handle(self, sock, address):
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        super().handle(sock, address)


Server(
    ("127.0.0.1", int(sys.argv[1])), hello, log=None, backlog=16384
).serve_forever()
