"""
serve_load.py - clients that keep their connections and check every answer.

usage: serve_load.py PORT SECONDS CLIENTS    prints "ok N failed M"

A connection is used until the server says that it closes. Any answer but 200
with the text that is expected, and any connection that ends otherwise, is a
failure: unless this program was not let run for so long between two requests
that a worker which drains may have taken the connection for idle.
"""

import socket
import sys
import threading
import time

REQUEST = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
IDLE = 0.9  # seconds; such a worker closes what is idle for one


class Client(threading.Thread):
    def __init__(self, port, until):
        super().__init__()
        self.port, self.until = port, until
        self.answers, self.failures = 0, []
        self.stream = None
        self.used = self.idle = 0

    def send(self):
        try:
            self.stream.write(REQUEST)
            self.stream.flush()
        finally:
            self.idle = time.monotonic() - self.used

    def ask(self):
        self.idle = 0
        if not self.stream:
            sock = socket.create_connection(("127.0.0.1", self.port), 30)
            self.stream = sock.makefile("rwb", buffering=65536)
            sock.close()
            self.used = time.monotonic()
        self.send()
        status = self.stream.readline()
        if not status.startswith(b"HTTP/1.1 200 "):
            raise OSError(f"answered with {status}")
        length, last = 0, False
        while (line := self.stream.readline().lower()) != b"\r\n":
            if not line:
                raise OSError("the head ends")
            name, _, value = line.partition(b":")
            if name == b"content-length":
                length = int(value)
            last = last or line == b"connection: close\r\n"
        body = self.stream.read(length)
        if body not in (b"one\n", b"two\n"):
            raise OSError(f"the body is {body}")
        self.used = time.monotonic()
        if last:
            self.stream.close()
            self.stream = None

    def run(self):
        while time.monotonic() < self.until:
            try:
                self.ask()
                self.answers += 1
            except OSError as error:
                if self.idle < IDLE:
                    self.failures.append(str(error))
                self.stream = None


def main():
    port, seconds, count = (int(word) for word in sys.argv[1:])
    until = time.monotonic() + seconds
    clients = [Client(port, until) for _ in range(count)]
    for client in clients:
        client.start()
    for client in clients:
        client.join()
    failures = [text for client in clients for text in client.failures]
    print("ok", sum(client.answers for client in clients), "failed",
          len(failures))
    for text in failures[:5]:
        print(text)


main()
