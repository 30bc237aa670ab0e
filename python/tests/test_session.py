"""Session: what is said once, and kept apart from others."""
import os
import ssl
import subprocess
import tempfile
import threading
import unittest

import eddy
from servers import Handler, HttpTest, Server, needs


class Sessions(HttpTest):
    def told(self, handle):
        return handle.wait(10).json()

    def values(self, told, name):
        return [v for n, v in told["headers"] if n.lower() == name.lower()]

    def test_urls_are_relative_to_the_base(self):
        with eddy.Session(self.url("/echo/")) as session:
            self.assertEqual(self.told(session.get("42"))["path"], "/echo/42")
            self.assertEqual(self.told(session.get("/echo"))["path"], "/echo")

    def test_methods_have_names(self):
        with eddy.Session(self.url()) as s:
            for method in ("get", "delete", "post", "put", "patch"):
                told = self.told(getattr(s, method)("/echo"))
                self.assertEqual(told["method"], method.upper())
            self.assertEqual(self.told(s.post("/echo", b"ab"))["body"], "ab")
            self.assertEqual(self.told(s.put("/echo", json=1))["body"], "1")
            self.assertEqual(s.head("/echo").wait(10).content, b"")

    def test_headers_of_a_request_take_the_place_of_the_session_s(self):
        with eddy.Session(self.url(), headers={"X-A": "1", "X-B": "2"}) as s:
            told = self.told(s.get("/echo", headers={"x-a": "3"}))
        self.assertEqual(self.values(told, "X-A"), ["3"])
        self.assertEqual(self.values(told, "X-B"), ["2"])

    def test_credentials_are_for_the_base_s_host_only(self):
        other = Server(("127.0.0.1", 0), Handler)
        thread = threading.Thread(target=other.serve_forever, args=(0.05,))
        thread.start()
        try:
            with eddy.Session(self.url(), auth=("me", "secret")) as s:
                self.assertTrue(s.get("/basic").wait(10).text)
                url = f"http://127.0.0.1:{other.server_port}/basic"
                self.assertEqual(s.get(url).wait(10).text, "")
        finally:
            other.shutdown()
            other.server_close()
            thread.join()

    def test_cookies_are_kept_and_sent(self):
        with eddy.Session(self.url(), cookies=True) as session:
            session.get("/cookie").wait(10)
            told = self.told(session.get("/echo"))
            self.assertEqual(self.values(told, "Cookie"), ["seen=yes"])
            (kept,) = session.cookies()
        self.assertEqual(kept["name"], "seen")
        self.assertEqual(kept["domain"], "127.0.0.1")

    def test_cookies_can_be_given(self):
        with eddy.Session(self.url(), cookies={"a": "1"}) as session:
            told = self.told(session.get("/echo"))
        self.assertEqual(self.values(told, "Cookie"), ["a=1"])

    def test_without_cookies_none_are_kept(self):
        with eddy.Session(self.url()) as session:
            session.get("/cookie").wait(10)
            told = self.told(session.get("/echo"))
            self.assertEqual(self.values(told, "Cookie"), [])
            with self.assertRaises(eddy.UsageError):
                session.cookies()

    def test_sessions_share_nothing(self):
        with eddy.Session(self.url(), cookies=True) as one:
            with eddy.Session(self.url(), cookies=True) as two:
                one.get("/cookie").wait(10)
                self.assertEqual(two.cookies(), [])

    def test_connections_are_kept(self):
        with eddy.Session(self.url()) as session:
            self.assertFalse(session.get("/echo").wait(10).reused)
            self.assertTrue(session.get("/echo").wait(10).reused)

    def test_what_is_safe_is_tried_again(self):
        with eddy.Session(self.url(), retries=2) as session:
            self.assertEqual(session.get("/count?n=3").wait(10).status, 200)
            self.server.count = 0
            answer = session.post("/count?n=3").wait(10)
            self.assertEqual(answer.status, 503)
            self.server.count = 0
            answer = session.post("/count?n=3", retry_unsafe=True).wait(10)
            self.assertEqual(answer.status, 200)

    def test_retries_can_be_told_in_detail(self):
        retries = {"attempts": 2, "backoff": 0.001}
        with eddy.Session(self.url(), retries=retries) as session:
            self.assertEqual(session.get("/count?n=3").wait(10).status, 503)
        with self.assertRaises(TypeError):
            eddy.Session(retries={"tries": 2})

    def test_a_limit_makes_others_wait_and_then_refuses(self):
        limit = {"max": 1, "queue": 1}
        with eddy.Session(self.url(), limit=limit) as session:
            handles = [session.get("/slow") for _ in range(3)]
            with self.assertRaises(eddy.Overload) as caught:
                handles[2].wait(10)
            self.assertEqual(caught.exception.phase, "queue")
            self.release()
            eddy.gather(handles[:2], 10)

    def test_limits_of_time_hold_for_all(self):
        with eddy.Session(self.url(), timeout=0.05) as session:
            with self.assertRaises(eddy.TimeoutError):
                session.get("/slow").wait(10)

    def test_no_redirects_are_followed_if_so_said(self):
        with eddy.Session(self.url(), max_redirects=0) as session:
            self.assertEqual(session.get("/redirect").wait(10).status, 302)

    def test_unknown_options_are_refused(self):
        with self.assertRaises(TypeError):
            eddy.Session(timout=3)
        for options in ({"max_body": -1}, {"limit": -2}, {"timeout": "x"}):
            with self.assertRaises((TypeError, ValueError)):
                eddy.Session(**options)

    def test_one_that_is_closed_lets_its_calls_end(self):
        session = eddy.Session(self.url())
        handle = session.get("/slow")
        self.server.asked.wait(10)
        session.close()
        del session
        self.release()
        self.assertEqual(handle.wait(10).text, "at last")

    def test_options_that_cannot_be_used_fail_the_call(self):
        session = eddy.Session(self.url(), proxy="nonsense://x")
        with self.assertRaises(eddy.UsageError):
            session.get("/echo").wait(10)


class Secure(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        needs("openssl")
        cls.folder = tempfile.TemporaryDirectory()
        cls.cert = os.path.join(cls.folder.name, "cert.pem")
        key = os.path.join(cls.folder.name, "key.pem")
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
             "ec_paramgen_curve:P-256", "-nodes", "-keyout", key, "-out",
             cls.cert, "-days", "2", "-subj", "/CN=localhost", "-addext",
             "subjectAltName=DNS:localhost,IP:127.0.0.1"],
            check=True, capture_output=True,
        )
        cls.server = Server(("127.0.0.1", 0), Handler)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(cls.cert, key)
        cls.server.socket = context.wrap_socket(
            cls.server.socket, server_side=True
        )
        cls.thread = threading.Thread(
            target=cls.server.serve_forever, args=(0.05,)
        )
        cls.thread.start()
        cls.url = f"https://127.0.0.1:{cls.server.server_port}/echo"

    @classmethod
    def tearDownClass(cls):
        cls.server.shutdown()
        cls.server.server_close()
        cls.thread.join()
        cls.folder.cleanup()

    def test_a_stranger_is_not_trusted(self):
        with self.assertRaises(eddy.CertificateError) as caught:
            eddy.fetch(self.url).wait(10)
        self.assertEqual(caught.exception.phase, "tls")

    def test_an_issuer_can_be_named(self):
        with eddy.Session(verify=self.cert) as session:
            self.assertEqual(session.get(self.url).wait(10).status, 200)

    def test_anybody_can_be_trusted(self):
        with eddy.Session(verify=False) as session:
            self.assertEqual(session.get(self.url).wait(10).status, 200)

    def test_a_file_that_is_none_fails_the_call(self):
        session = eddy.Session(verify="/no/such/file")
        with self.assertRaises(eddy.UsageError):
            session.get(self.url).wait(10)


if __name__ == "__main__":
    unittest.main()
