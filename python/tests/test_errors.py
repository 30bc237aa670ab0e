"""One family of exceptions, each with its phase and host."""
import builtins
import contextlib
import pickle
import socket
import threading
import unittest

import eddy
from servers import HttpTest, refusing_port


class Silent:
    """A listener that accepts and says what it is told, then nothing."""

    def __init__(self, test, says=b""):
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]
        self.says = says
        self.kept = []
        thread = threading.Thread(target=self._accept, daemon=True)
        thread.start()
        test.addCleanup(self._close, thread)

    def _accept(self):
        with contextlib.suppress(OSError):
            while True:
                peer, _ = self.socket.accept()
                self.kept.append(peer)
                peer.sendall(self.says)

    def _close(self, thread):
        self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()
        thread.join()
        for peer in self.kept:
            peer.close()


class Family(unittest.TestCase):
    def test_all_are_errors(self):
        for name in eddy.__all__:
            thing = getattr(eddy, name)
            if isinstance(thing, type) and issubclass(thing, BaseException):
                self.assertTrue(issubclass(thing, eddy.Error), name)
                self.assertEqual(thing.__module__, "eddy", name)

    def test_they_are_what_the_language_calls_them_too(self):
        self.assertTrue(issubclass(eddy.TimeoutError, builtins.TimeoutError))
        self.assertTrue(issubclass(eddy.ConnectError, ConnectionError))
        self.assertTrue(issubclass(eddy.UsageError, ValueError))

    def test_they_can_be_sent_to_another_process(self):
        for kind in eddy._errors.FAMILY:
            error = kind("told")
            error.phase, error.response = "wait", memoryview(b"stays here")
            if kind is not eddy.HTTPError:
                del error.response
            again = pickle.loads(pickle.dumps(error))
            self.assertIs(type(again), kind)
            self.assertEqual((str(again), again.phase), ("told", "wait"))


class Shown(unittest.TestCase):
    def test_urls_are_shown_without_passwords(self):
        shown = eddy._errors.shown
        self.assertEqual(shown("http://me:a@b@h:1/x@y?z"), "http://h:1/x@y?z")
        self.assertEqual(shown(b"redis://:secret@h"), "redis://h")
        self.assertEqual(shown(memoryview(b"http://a:b@h/")), "http://h/")
        self.assertEqual(shown("http://h?to=a@b"), "http://h?to=a@b")
        self.assertEqual(shown(None), "")


class Phases(HttpTest):
    def failure(self, url, **options):
        with self.assertRaises(eddy.Error) as caught:
            eddy.fetch(url, **options).wait(20)
        return caught.exception

    def timed_out(self, phase, url, **options):
        """The failure of a call whose time is over in that phase. Where the
        machine is busy it may be over before that, and then there is more."""
        for timeout in (0.05, 0.5, 5):
            error = self.failure(url, timeout=timeout, **options)
            if error.phase == phase:
                break
        self.check(error, eddy.TimeoutError, phase)
        return error

    def check(self, error, kind, phase):
        self.assertIs(type(error), kind, str(error))
        self.assertEqual(error.phase, phase, str(error))

    def test_nobody_listens(self):
        port = refusing_port(self)
        error = self.failure(f"http://127.0.0.1:{port}/")
        self.check(error, eddy.ConnectError, "connect")
        self.assertEqual(error.host, f"127.0.0.1:{port}")
        self.assertEqual(error.name, "ED_ECONNECT")
        self.assertLess(error.code, 0)

    def test_no_such_name(self):
        error = self.failure("http://no-such-host.invalid/")
        self.assertEqual(error.phase, "dns", str(error))
        self.assertEqual(error.host, "no-such-host.invalid:80")

    def test_no_tls(self):
        error = self.failure(f"https://127.0.0.1:{self.server.server_port}/")
        self.check(error, eddy.TLSError, "tls")

    def test_a_handshake_that_takes_too_long(self):
        silent = Silent(self)
        self.timed_out("tls", f"https://127.0.0.1:{silent.port}/")

    def test_connecting_takes_too_long(self):
        full = socket.create_server(("127.0.0.1", 0), backlog=0)
        port = full.getsockname()[1]
        waiting = [socket.socket() for _ in range(4)]
        for one in waiting:
            one.setblocking(False)
            one.connect_ex(("127.0.0.1", port))
        error = self.failure(f"http://127.0.0.1:{port}/", connect_timeout=0.05)
        for one in (full, *waiting):
            one.close()
        self.check(error, eddy.TimeoutError, "connect")
        self.assertIn("connect timeout of 0.05 s", str(error))

    def test_no_answer(self):
        error = self.timed_out("wait", self.url("/slow"))
        self.assertNotIsInstance(error, eddy.WaitTimeout)

    def test_half_an_answer(self):
        head = b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf"
        silent = Silent(self, head)
        self.timed_out("receive", f"http://127.0.0.1:{silent.port}/")

    def test_a_request_that_nobody_takes(self):
        silent = Silent(self)
        url = f"http://127.0.0.1:{silent.port}/"
        self.timed_out("send", url, body=b"x" * 30_000_000)

    def test_hung_up_before_the_answer(self):
        error = self.failure(self.url("/hangup"), method="POST")
        self.check(error, eddy.ConnectionLost, "wait")

    def test_hung_up_in_the_body(self):
        error = self.failure(self.url("/cut"))
        self.check(error, eddy.ConnectionLost, "receive")

    def test_nonsense(self):
        error = self.failure(self.url("/nonsense"))
        self.check(error, eddy.ProtocolError, "receive")

    def test_a_body_that_is_too_large(self):
        error = self.failure(self.url("/large?bytes=100"), max_body=10)
        self.check(error, eddy.TooLarge, "receive")

    def test_a_coding_that_cannot_be_undone(self):
        error = self.failure(self.url("/zipped?broken=1"))
        self.check(error, eddy.ProtocolError, "receive")

    def test_a_proxy_that_refuses(self):
        said = Silent(self, b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")
        proxy = f"http://127.0.0.1:{said.port}"
        with eddy.Session(proxy=proxy, no_proxy="") as session:
            with self.assertRaises(eddy.Error) as caught:
                session.get("https://a.example/").wait(20)
        self.check(caught.exception, eddy.ProxyError, "proxy")

    def test_no_free_connection(self):
        with eddy.Session(max_per_host=1) as session:
            first = session.get(self.url("/slow"))
            second = session.get(self.url(), timeout=0.05)
            with self.assertRaises(eddy.TimeoutError) as caught:
                second.wait(20)
            self.release()
            first.wait(20)
        self.check(caught.exception, eddy.TimeoutError, "queue")

    def test_no_time_at_all(self):
        error = self.failure(self.url(), timeout=0)
        self.check(error, eddy.TimeoutError, "queue")

    def test_a_url_that_is_none(self):
        for url in ("", "nothing", "ftp://a/", "http://", "http://a:99999/"):
            self.check(self.failure(url), eddy.UsageError, "request")

    def test_passwords_are_not_told(self):
        port = refusing_port(self)
        error = self.failure(f"http://me:secret@127.0.0.1:{port}/x")
        self.assertEqual(error.url, f"http://127.0.0.1:{port}/x")
        self.assertNotIn("secret", str(error))
        self.assertNotIn("secret", repr(error))


if __name__ == "__main__":
    unittest.main()
