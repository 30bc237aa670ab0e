"""What tests talk to: small servers of their own, on loopback, in threads or
processes that end with the test."""
import contextlib
import http.server
import json
import os
import random
import shutil
import socket
import subprocess
import tempfile
import threading
import time
import unittest
import urllib.parse

# Longer than anything takes on a busy machine.
PATIENCE = 30


class Handler(http.server.BaseHTTPRequestHandler):
    """Answers by path; see the methods named after them."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def log_message(self, *_):
        pass

    def _serve(self):
        length = int(self.headers.get("Content-Length") or 0)
        self.body = self.rfile.read(length)
        parts = urllib.parse.urlsplit(self.path)
        self.query = dict(urllib.parse.parse_qsl(parts.query))
        name = parts.path.strip("/").split("/")[0] or "echo"
        getattr(self, "on_" + name, self.on_missing)()

    do_GET = do_POST = do_PUT = do_DELETE = do_HEAD = do_PATCH = _serve

    def reply(self, body=b"", status=200, headers=()):
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def on_echo(self):
        told = {
            "method": self.command,
            "path": self.path,
            "headers": [list(pair) for pair in self.headers.items()],
            "body": self.body.decode("latin-1"),
        }
        types = [("Content-Type", "application/json")]
        self.reply(json.dumps(told).encode(), headers=types)

    def on_slow(self):
        """Waits for a test to let it go, but not for ever."""
        self.server.asked.set()
        self.server.gate.wait(PATIENCE)
        if self.query.get("then") == "hangup":
            self.on_hangup()
        else:
            self.reply(b"at last")

    def on_status(self):
        self.reply(b"as asked", int(self.query["code"]))

    def on_missing(self):
        self.reply(b"no such page", 404)

    def on_latin(self):
        types = [("Content-Type", "text/plain; charset=latin-1")]
        self.reply("Malmö".encode("latin-1"), headers=types)

    def on_charset(self):
        types = [("Content-Type", f"text/plain; charset={self.query.get('is', '')}")]
        self.reply("Malmö".encode(), headers=types)

    def on_obsolete(self):
        """A reason and a field that are not UTF-8."""
        self.send_response(200, "tr\xe8s bien")
        self.send_header("X-City", "Malm\xf6")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def on_twice(self):
        self.reply(b"", headers=[("X-Tag", "a"), ("X-Tag", "b")])

    def on_cookie(self):
        self.reply(b"", headers=[("Set-Cookie", "seen=yes; Path=/")])

    def on_redirect(self):
        self.reply(b"", 302, [("Location", "/echo")])

    def on_large(self):
        self.reply(b"x" * int(self.query["bytes"]))

    def on_pieces(self):
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for n in range(5):
            piece = b"line %d\n" % n
            self.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
            self.wfile.flush()
        self.wfile.write(b"0\r\n\r\n")

    def on_cut(self):
        """Ends in the middle of its body."""
        self.send_response(200)
        self.send_header("Content-Length", "100")
        self.end_headers()
        self.wfile.write(b"half")
        self.close_connection = True

    def on_nonsense(self):
        self.wfile.write(b"this is no answer\r\n\r\n")
        self.close_connection = True

    def on_hangup(self):
        self.close_connection = True

    def on_basic(self):
        self.reply((self.headers.get("Authorization") or "").encode())

    def on_zipped(self):
        import gzip

        body = gzip.compress(b"much smaller")
        if "broken" in self.query:
            body = body[:-9]
        self.reply(body, headers=[("Content-Encoding", "gzip")])

    def on_count(self):
        """Fails until the n-th request."""
        self.server.count += 1
        enough = self.server.count >= int(self.query["n"])
        self.reply(b"%d" % self.server.count, 200 if enough else 503)


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 512

    def handle_error(self, *_):
        pass  # clients that leave are what some tests are about


class HttpTest(unittest.TestCase):
    """A test with a server: self.url("/echo")."""

    handler = Handler

    def setUp(self):
        self.server = Server(("127.0.0.1", 0), self.handler)
        self.server.gate = threading.Event()
        self.server.asked = threading.Event()
        self.server.count = 0
        thread = threading.Thread(target=self.server.serve_forever, args=(0.05,))
        thread.daemon = True
        thread.start()
        self.addCleanup(self._close, thread)

    def _close(self, thread):
        self.server.gate.set()
        self.server.shutdown()
        self.server.server_close()
        thread.join()

    def url(self, path="/"):
        return f"http://127.0.0.1:{self.server.server_port}{path}"

    def release(self):
        self.server.gate.set()


def free_port():
    """Below those that the system gives to whoever wants any, so that it is
    still free when the server comes."""
    while True:
        port = random.randrange(10240, 32768)
        with socket.socket() as s, contextlib.suppress(OSError):
            s.bind(("127.0.0.1", port))
            return port


def refusing_port(test):
    """Refuses connections until the test has ended: it is taken by a socket
    that does not listen."""
    held = socket.socket()
    test.addCleanup(held.close)
    held.bind(("127.0.0.1", 0))
    return held.getsockname()[1]


def wait_until(condition, what="it"):
    until = time.monotonic() + PATIENCE
    while not condition():
        if time.monotonic() > until:
            raise AssertionError(f"{what} did not happen")
        time.sleep(0.01)


def can_connect(port):
    with contextlib.suppress(OSError):
        socket.create_connection(("127.0.0.1", port)).close()
        return True
    return False


def needs(program):
    path = shutil.which(program)
    if not path:
        raise unittest.SkipTest(f"no {program}")
    return path


class Process:
    """A program of the test's, in a session of its own, ended by its id."""

    def __init__(self, test, command, **options):
        self.log = tempfile.TemporaryFile()
        self.process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=self.log,
            stderr=subprocess.STDOUT,
            **options,
        )
        test.addCleanup(self.log.close)
        test.addCleanup(self.stop)

    def stop(self):
        if self.process.poll() is None:
            self.process.terminate()
        try:
            self.process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        return self.process.returncode

    def output(self):
        self.log.seek(0)
        return self.log.read().decode(errors="replace")


def run_python(code, *arguments, timeout=PATIENCE, **options):
    """Runs a program, which must end well by itself; its output, and what it
    wrote to standard error."""
    done = subprocess.run(
        [os.environ.get("EDDY_PYTHON", "/usr/bin/python3"), "-c", code,
         *map(str, arguments)],
        # Python warns of forks beside threads, whatever they do.
        env={**os.environ, "PYTHONWARNINGS": "ignore::DeprecationWarning"},
        capture_output=True,
        text=True,
        timeout=timeout,
        **options,
    )
    if done.returncode:
        raise AssertionError(
            f"exit {done.returncode}: {done.stdout}\n{done.stderr}"
        )
    return done.stdout.strip(), done.stderr.strip()
