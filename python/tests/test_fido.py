"""eddy.compat.fido, rule by rule."""
import os
import socket
import unittest
import zlib
from unittest import mock

from eddy.compat import crochet, fido
from servers import HttpTest, refusing_port, wait_until
from test_errors import Silent


class Requests(HttpTest):
    def told(self, *args, **options):
        return fido.fetch(self.url("/echo"), *args, **options).wait(10).json()

    def values(self, told, name):
        return [v for n, v in told["headers"] if n.lower() == name.lower()]

    def test_a_handle_is_crochet_s(self):
        handle = fido.fetch(self.url())
        self.assertIsInstance(handle, crochet.EventualResult)
        self.assertEqual(handle.wait(timeout=10).code, 200)
        self.assertIs(handle.wait(10), handle.wait(0))

    def test_the_user_agent_is_fido(self):
        self.assertRegex(
            self.values(self.told(), "User-Agent")[0], r"^Fido/\d"
        )
        told = self.told(headers={"user-AGENT": "me"})
        self.assertEqual(self.values(told, "User-Agent"), ["me"])

    def test_headers_are_text_or_bytes_or_lists(self):
        given = {"X-A": "å", b"X-B": [b"1", "2"]}
        kept = dict(given)
        told = self.told(headers=given)
        self.assertEqual(self.values(told, "X-A")[0].encode("latin-1"), "å".encode())
        self.assertEqual(self.values(told, "X-B"), ["1", "2"])
        self.assertEqual(given, kept)

    def test_a_content_length_is_recomputed(self):
        told = self.told("POST", {"content-length": "99"}, "abc")
        self.assertEqual(self.values(told, "Content-Length"), ["3"])
        self.assertEqual(told["body"], "abc")

    def test_no_redirects_no_cookies_no_retries(self):
        self.assertEqual(fido.fetch(self.url("/redirect")).wait(10).code, 302)
        fido.fetch(self.url("/cookie")).wait(10)
        self.assertEqual(self.values(self.told(), "Cookie"), [])
        self.assertEqual(fido.fetch(self.url("/count?n=2")).wait(10).code, 503)

    def test_arguments_that_are_none_are_refused_at_once(self):
        with self.assertRaises(TypeError):
            fido.fetch(self.url(), headers={"X-A": [3.5]})
        with self.assertRaises(TypeError):
            fido.fetch(self.url(), timeout="soon")
        for options in ({"body": 3}, {"headers": {"X-A": [3]}}):
            with self.assertRaises(TypeError):
                fido.fetch(self.url(), **options)

    def test_the_head_is_bytes_as_they_came(self):
        answer = fido.fetch(self.url("/obsolete")).wait(10)
        self.assertEqual(answer.reason, b"tr\xe8s bien")
        self.assertEqual(answer.headers[b"X-City"], [b"Malm\xf6"])

    def test_the_proxy_is_read_for_each_request(self):
        said = Silent(
            self, b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nproxy"
        )
        proxy = {"http_proxy": f"http://127.0.0.1:{said.port}", "no_proxy": "*"}
        url = "http://a.example/path"
        with mock.patch.dict(os.environ, proxy):
            self.assertEqual(fido.fetch(url).wait(10).body, b"proxy")
        said.kept[0].setblocking(True)
        self.assertTrue(said.kept[0].recv(100).startswith(b"GET " + url.encode()))
        with mock.patch.dict(os.environ, {"http_proxy": ""}):
            self.assertEqual(fido.fetch(self.url("/large?bytes=1")).wait(10).body, b"x")


class Responses(HttpTest):
    def test_all_is_bytes(self):
        answer = fido.fetch(self.url("/twice")).wait(10)
        self.assertEqual(answer.reason, b"OK")
        self.assertEqual(answer.headers[b"X-Tag"], [b"a", b"b"])
        self.assertEqual(answer.body, b"")

    def test_names_are_written_as_twisted_writes_them(self):
        self.assertEqual(fido._canonical(b"content-type"), b"Content-Type")
        self.assertEqual(fido._canonical(b"etag"), b"ETag")
        self.assertEqual(fido._canonical(b"WWW-AUTHENTICATE"), b"WWW-Authenticate")

    def test_bodies_stay_zipped_unless_asked(self):
        answer = fido.fetch(self.url("/zipped")).wait(10)
        self.assertEqual(answer.body[:2], b"\x1f\x8b")

    def test_they_are_unzipped_and_the_header_stays(self):
        answer = fido.fetch(self.url("/zipped"), decompress_gzip=True).wait(10)
        self.assertEqual(answer.body, b"much smaller")
        self.assertEqual(answer.headers[b"Content-Encoding"], [b"gzip"])

    def test_gzip_is_asked_for_once(self):
        for given in ({}, {"Accept-Encoding": "gzip"}):
            told = fido.fetch(
                self.url("/echo"), headers=given, decompress_gzip=True
            ).wait(10).json()
            accepted = [v for n, v in told["headers"] if n == "Accept-Encoding"]
            self.assertEqual(accepted, ["gzip"])

    def test_bad_data_is_told(self):
        handle = fido.fetch(self.url("/zipped?broken=1"), decompress_gzip=True)
        with self.assertRaises(fido.GzipDecompressionError) as caught:
            handle.wait(10)
        self.assertIsInstance(caught.exception, fido.NetworkError)
        self.assertIsInstance(caught.exception, zlib.error)

    def test_what_is_inflated_is_bounded(self):
        with mock.patch.object(fido, "MAX_BODY", 5):
            handle = fido.fetch(self.url("/zipped"), decompress_gzip=True)
            with self.assertRaises(fido.NetworkError):
                handle.wait(10)


class Failures(HttpTest):
    def test_nobody_listens(self):
        with self.assertRaises(fido.TCPConnectionError):
            fido.fetch(f"http://127.0.0.1:{refusing_port(self)}/").wait(10)

    def test_connecting_takes_too_long(self):
        full = socket.create_server(("127.0.0.1", 0), backlog=0)
        url = "http://127.0.0.1:%d/" % full.getsockname()[1]
        waiting = [socket.socket() for _ in range(4)]
        for one in waiting:
            one.setblocking(False)
            one.connect_ex(full.getsockname())
        with self.assertRaises(fido.TCPConnectionError):
            fido.fetch(url, connect_timeout=0.05).wait(10)
        with self.assertRaises(fido.HTTPTimeoutError):
            fido.fetch(url, timeout=0.05).wait(10)
        for one in (full, *waiting):
            one.close()

    def test_no_answer_is_a_time_out_of_both_families(self):
        handle = fido.fetch(self.url("/slow"), timeout=0.05)
        wait_until(handle.original_failure)
        with self.assertRaises(fido.HTTPTimeoutError) as caught:
            handle.wait(1)
        self.assertIsInstance(caught.exception, crochet.TimeoutError)
        self.assertIsInstance(caught.exception, fido.NetworkError)

    def test_a_wait_that_is_too_short_leaves_it_running(self):
        handle = fido.fetch(self.url("/slow"))
        with self.assertRaises(crochet.TimeoutError) as caught:
            handle.wait(0.02)
        self.assertNotIsInstance(caught.exception, fido.NetworkError)
        self.assertIsNone(handle.original_failure())
        self.release()
        self.assertEqual(handle.wait(10).body, b"at last")

    def test_the_rest_are_network_errors(self):
        for path in ("/nonsense", "/cut", "/hangup"):
            with self.assertRaises(fido.NetworkError) as caught:
                fido.fetch(self.url(path), "POST").wait(10)
            self.assertIsNotNone(caught.exception.__cause__)

    def test_a_cancelled_one_ends(self):
        handle = fido.fetch(self.url("/slow"))
        handle.cancel()
        with self.assertRaises(fido.NetworkError):
            handle.wait(10)


if __name__ == "__main__":
    unittest.main()
