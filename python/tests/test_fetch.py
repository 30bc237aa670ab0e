"""eddy.fetch(): what is sent, what comes back, what a handle promises."""
import datetime
import gc
import logging
import os
import pickle
import threading
import time
import unittest

import eddy
from servers import HttpTest, refusing_port, wait_until


class Requests(HttpTest):
    def echo(self, *args, **options):
        return eddy.fetch(self.url("/echo"), *args, **options).wait(10).json()

    def header(self, told, name):
        return [v for n, v in told["headers"] if n.lower() == name.lower()]

    def test_a_fetch_is_a_get(self):
        told = self.echo()
        self.assertEqual(told["method"], "GET")
        self.assertEqual(told["body"], "")

    def test_a_body_makes_it_a_post(self):
        told = self.echo(body=b"\x00\xff")
        self.assertEqual(told["method"], "POST")
        self.assertEqual(told["body"], "\x00\xff")

    def test_bodies_are_any_bytes(self):
        for body in ("ab", b"ab", bytearray(b"ab"), memoryview(b"ab")):
            self.assertEqual(self.echo(body=body)["body"], "ab")

    def test_a_method_is_sent_as_given(self):
        self.assertEqual(self.echo("DELETE")["method"], "DELETE")

    def test_json_is_written_and_named(self):
        told = self.echo(json={"a": [1, None]})
        self.assertEqual(told["body"], '{"a": [1, null]}')
        self.assertEqual(
            self.header(told, "Content-Type"), ["application/json"]
        )

    def test_a_form_is_written_and_named(self):
        told = self.echo(form={"a": "1 2", "b": ["x", "y"]})
        self.assertEqual(told["body"], "a=1+2&b=x&b=y")
        self.assertEqual(
            self.header(told, "Content-Type"),
            ["application/x-www-form-urlencoded"],
        )

    def test_two_bodies_are_refused(self):
        with self.assertRaises(eddy.UsageError):
            eddy.fetch(self.url(), json={}, form={})
        with self.assertRaises(eddy.UsageError):
            eddy.fetch(self.url(), json={}, body="x")

    def test_the_first_arguments_have_an_order(self):
        told = self.echo("PUT", {"X-A": "1"}, None, [1], {"q": 2}, 10, 10)
        self.assertEqual((told["method"], told["body"]), ("PUT", "[1]"))
        self.assertEqual(told["path"], "/echo?q=2")
        self.assertEqual(self.header(told, "X-A"), ["1"])

    def test_parameters_are_put_into_the_query(self):
        def path(url, params):
            told = eddy.fetch(self.url(url), params=params).wait(10).json()
            return told["path"]

        self.assertEqual(path("/echo", {"a": "ö&"}), "/echo?a=%C3%B6%26")
        self.assertEqual(path("/echo?b=1", {"a": 2}), "/echo?b=1&a=2")
        self.assertEqual(path("/echo?b=1#top", "a=3"), "/echo?b=1&a=3")

    def test_headers_are_mappings_or_pairs_with_lists(self):
        told = self.echo(headers={"X-A": "1", "X-B": ["2", "3"], "X-C": 4})
        self.assertEqual(self.header(told, "X-A"), ["1"])
        self.assertEqual(self.header(told, "X-B"), ["2", "3"])
        self.assertEqual(self.header(told, "X-C"), ["4"])
        told = self.echo(headers=[("X-A", b"5"), ("X-A", "6")])
        self.assertEqual(self.header(told, "X-A"), ["5", "6"])

    def test_headers_cannot_smuggle_lines(self):
        for name, value in (("X-A", "1\r\nX-B: 2"), ("X-A", "1\nX-B: 2")):
            with self.assertRaises(eddy.UsageError):
                eddy.fetch(self.url(), headers={name: value}).wait(10)
        for name, value in (("X-A:X-B", "2"), ("X-A", "1\0"), ("X\0A", "1")):
            with self.assertRaises(ValueError):
                eddy.fetch(self.url(), headers={name: value}).wait(10)

    def test_too_many_headers_are_refused(self):
        headers = [(f"X-{n}", "1") for n in range(1001)]
        with self.assertRaises(ValueError):
            eddy.fetch(self.url(), headers=headers)

    def test_cookies_are_a_header(self):
        told = self.echo(cookies={"a": "1", "b": "2"}, headers={"X-A": "1"})
        self.assertEqual(self.header(told, "Cookie"), ["a=1; b=2"])
        self.assertEqual(self.header(told, "X-A"), ["1"])

    def test_auth_is_basic_or_a_token(self):
        def told(**options):
            return eddy.fetch(self.url("/basic"), **options).wait(10).text

        self.assertEqual(told(auth=("me", "secret")), "Basic bWU6c2VjcmV0")
        self.assertEqual(told(bearer="abc"), "Bearer abc")
        with self.assertRaises(ValueError):
            told(auth=("me", "secret", "magic"))
        with self.assertRaises(TypeError):
            told(auth="me:secret")

    def test_arguments_of_the_wrong_type_are_refused_at_once(self):
        for options in (
            {"body": 3},
            {"headers": {"X-A": object()}},
            {"headers": ["ab"]},
            {"headers": [("a",)]},
            {"headers": [("a", "b", "c")]},
            {"timeout": "soon"},
            {"timeout": float("nan")},
            {"max_body": -1},
            {"max_redirects": "x"},
            {"nonsense": 1},
        ):
            with self.assertRaises((TypeError, ValueError), msg=options):
                eddy.fetch(self.url(), **options)
        with self.assertRaises(TypeError):
            eddy.fetch(None)
        with self.assertRaises(ValueError):
            eddy.fetch(self.url() + "\0")

    def test_a_url_may_be_bytes(self):
        self.assertEqual(eddy.fetch(self.url().encode()).wait(10).status, 200)


class Responses(HttpTest):
    def get(self, path, **options):
        return eddy.fetch(self.url(path), **options).wait(10)

    def test_any_status_is_a_response(self):
        answer = self.get("/status?code=503")
        self.assertEqual(answer.status, 503)
        self.assertEqual(answer.content, b"as asked")
        self.assertFalse(answer.ok)

    def test_raise_for_status_does_from_400_on(self):
        self.assertEqual(self.get("/status?code=299").raise_for_status().status, 299)
        with self.assertRaises(eddy.HTTPError) as caught:
            self.get("/missing").raise_for_status()
        self.assertEqual(caught.exception.response.status, 404)
        self.assertTrue(caught.exception.host.startswith("127.0.0.1:"))

    def test_text_is_of_the_charset_told(self):
        self.assertEqual(self.get("/latin").text, "Malmö")

    def test_a_charset_that_is_no_charset_is_not_believed(self):
        for name in ("hex", "idna", "undefined", "nothing", "utf 8", ""):
            answer = eddy.fetch(self.url("/charset"), params={"is": name})
            self.assertEqual(answer.wait(10).text, "Malmö", name)

    def test_headers_are_found_in_any_case(self):
        answer = self.get("/twice")
        self.assertEqual(answer.headers["x-tag"], "a, b")
        self.assertEqual(answer.headers.get_all("X-TAG"), ["a", "b"])
        self.assertEqual(answer.header("X-Tag"), "a")
        self.assertIsNone(answer.header("X-None"))
        self.assertIn("content-length", answer.headers)
        self.assertNotIn("X-None", answer.headers)

    def test_redirects_are_followed_and_counted(self):
        answer = self.get("/redirect")
        self.assertEqual(answer.redirects, 1)
        self.assertEqual(answer.url, self.url("/echo"))

    def test_without_redirects_they_are_answers(self):
        self.assertEqual(self.get("/redirect", max_redirects=0).status, 302)

    def test_codings_are_undone(self):
        self.assertEqual(self.get("/zipped").content, b"much smaller")

    def test_json_that_is_none_is_a_value_error(self):
        with self.assertRaises(ValueError):
            self.get("/latin").json()

    def test_times_are_told(self):
        answer = self.get("/echo")
        self.assertIsInstance(answer.elapsed, datetime.timedelta)
        self.assertGreater(answer.elapsed, datetime.timedelta(0))
        self.assertIsNone(answer.timing["tls"])
        self.assertGreaterEqual(answer.timing["receive"], answer.timing["wait"])

    def test_a_body_larger_than_allowed_is_refused(self):
        self.assertEqual(len(self.get("/large?bytes=1000", max_body=1000).content), 1000)
        with self.assertRaises(eddy.TooLarge):
            self.get("/large?bytes=1001", max_body=1000)

    def test_a_file_is_sent(self):
        answer = self.get("/echo", file=__file__, method="PUT")
        self.assertEqual(answer.json()["method"], "PUT")
        self.assertIn("def test_a_file_is_sent", answer.json()["body"])


class Streams(HttpTest):
    def stream(self, path):
        return eddy.fetch(self.url(path), stream=True).wait(10)

    def test_a_body_comes_in_pieces(self):
        with self.stream("/pieces") as answer:
            self.assertEqual(answer.status, 200)
            body = b"".join(answer.iter_content(7))
        self.assertEqual(body, b"".join(b"line %d\n" % n for n in range(5)))

    def test_lines_are_bounded(self):
        with self.stream("/pieces") as answer:
            self.assertEqual(
                list(answer.iter_lines()), [b"line %d" % n for n in range(5)]
            )
        with self.stream("/large?bytes=5000") as answer:
            with self.assertRaises(eddy.TooLarge):
                list(answer.iter_lines(limit=100))

    def test_a_piece_is_bounded(self):
        with self.stream("/pieces") as answer:
            for size in (0, -1, 1 << 40):
                with self.assertRaises(ValueError):
                    answer.read(size)

    def test_the_whole_body_of_a_stream_is_not_to_be_had(self):
        with self.stream("/pieces") as answer:
            with self.assertRaises(ValueError):
                answer.text

    def test_what_is_not_streamed_cannot_be_read(self):
        with self.assertRaises(eddy.UsageError):
            eddy.fetch(self.url()).wait(10).read().wait(10)

    def test_a_closed_response_says_so(self):
        answer = self.stream("/pieces")
        answer.close()
        answer.close()
        with self.assertRaises(ValueError):
            answer.read()
        with self.assertRaises(ValueError):
            answer.status

    def test_one_that_was_not_read_lets_go_of_its_connection(self):
        answer = self.stream("/large?bytes=50000000")
        answer.read(10).wait(10)
        before = threading.active_count()  # one of them serves this
        answer.close()
        wait_until(lambda: threading.active_count() < before)

    def test_what_is_cut_short_is_told_by_the_read(self):
        with self.stream("/cut") as answer:
            with self.assertRaises(eddy.ConnectionLost) as caught:
                list(answer.iter_content())
        self.assertEqual(caught.exception.phase, "receive")


class Handles(HttpTest):
    def test_the_same_value_is_given_again(self):
        handle = eddy.fetch(self.url())
        self.assertIs(handle.wait(10), handle.wait(0))
        self.assertIs(handle.result(), handle.wait())

    def test_a_wait_that_is_too_short_does_not_cancel(self):
        handle = eddy.fetch(self.url("/slow"))
        with self.assertRaises(eddy.WaitTimeout):
            handle.wait(0.02)
        with self.assertRaises(TimeoutError):
            handle.wait(0)
        self.assertFalse(handle.done())
        self.assertIsNone(handle.original_failure())
        self.release()
        self.assertEqual(handle.wait(10).text, "at last")
        self.assertTrue(handle.done())

    def test_a_failure_is_given_again_each_with_its_own_traceback(self):
        handle = eddy.fetch(self.url("/nonsense"))
        first = self._failure(handle)
        second = self._failure(handle)
        self.assertIs(type(first), type(second))
        self.assertEqual(str(first), str(second))
        self.assertIsNot(first, second)
        self.assertEqual(str(handle.original_failure()), str(first))

    def _failure(self, handle):
        with self.assertRaises(eddy.Error) as caught:
            handle.wait(10)
        return caught.exception

    def test_many_threads_wait_for_one(self):
        handle = eddy.fetch(self.url("/slow"))
        got = []
        threads = [
            threading.Thread(target=lambda: got.append(handle.wait(10)))
            for _ in range(8)
        ]
        for thread in threads:
            thread.start()
        self.release()
        for thread in threads:
            thread.join()
        self.assertEqual(len(set(map(id, got))), 1)
        self.assertEqual(len(got), 8)

    def test_waiting_lets_other_threads_run(self):
        handle = eddy.fetch(self.url("/slow"))
        counted = []

        def count():
            self.server.asked.wait(10)
            counted.append(1)
            self.release()

        thread = threading.Thread(target=count)
        thread.start()
        handle.wait(10)
        thread.join()
        self.assertEqual(counted, [1])

    def test_a_cancelled_call_ends(self):
        handle = eddy.fetch(self.url("/slow"))
        handle.cancel()
        handle.cancel()
        with self.assertRaises(eddy.Canceled):
            handle.wait(10)

    def test_what_is_done_cannot_be_cancelled(self):
        handle = eddy.fetch(self.url())
        handle.wait(10)
        handle.cancel()
        self.assertEqual(handle.wait(0).status, 200)

    def test_what_is_stashed_comes_back_once(self):
        handle = eddy.fetch(self.url("/slow"))
        number = handle.stash()
        del handle
        self.release()
        self.assertEqual(eddy.retrieve_result(number).wait(10).text, "at last")
        with self.assertRaises(KeyError):
            eddy.retrieve_result(number)
        with self.assertRaises(KeyError):
            eddy.retrieve_result(1)

    def test_numbers_cannot_be_guessed(self):
        handle = eddy.fetch(self.url())
        numbers = [handle.stash() for _ in range(20)]
        self.assertEqual(len(set(numbers)), 20)
        self.assertGreater(max(numbers) - min(numbers), 1000)
        for number in numbers:
            eddy.retrieve_result(number)

    def test_the_stash_is_bounded(self):
        from eddy import _calls

        handle = eddy.fetch(self.url())
        handle.wait(10)
        limit, _calls.STASH_MAX = _calls.STASH_MAX, 3
        try:
            numbers = [handle.stash() for _ in range(3)]
            with self.assertRaises(eddy.Overload):
                handle.stash()
        finally:
            _calls.STASH_MAX = limit
        for number in numbers:
            eddy.retrieve_result(number)

    def test_what_is_stashed_for_too_long_is_dropped(self):
        from eddy import _calls

        handle = eddy.fetch(self.url())
        handle.wait(10)
        kept, _calls.STASH_SECONDS = _calls.STASH_SECONDS, -1
        try:
            number = handle.stash()
        finally:
            _calls.STASH_SECONDS = kept
        with self.assertRaises(KeyError):
            eddy.retrieve_result(number)

    def test_more_calls_than_allowed_are_refused(self):
        eddy.start(max_pending=2)
        self.addCleanup(eddy.start, max_pending=100000)
        handles = [eddy.fetch(self.url("/slow")) for _ in range(3)]
        with self.assertRaises(eddy.Overload) as caught:
            handles[2].wait(10)
        self.assertEqual(caught.exception.phase, "queue")
        self.release()
        eddy.gather(handles[:2], 10)

    def test_handles_and_responses_come_of_calls_only(self):
        for kind in (eddy.EventualResult, eddy.Response):
            with self.assertRaises(TypeError):
                kind()

    def test_a_handle_tells_what_it_is(self):
        handle = eddy.fetch(self.url())
        handle.wait(10)
        self.assertIn("done", repr(handle))
        self.assertIn("/echo", repr(eddy.fetch(self.url("/echo"))))
        secret = self.url("/echo").replace("://", "://me:secret@")
        self.assertNotIn("secret", repr(eddy.fetch(secret)))
        with self.assertRaises(TypeError):
            pickle.dumps(handle)

    def test_there_are_two_threads(self):
        eddy.gather([eddy.fetch(self.url()) for _ in range(50)])
        own = {
            name
            for name in self._names_of_threads()
            if name.startswith("eddy")
        }
        self.assertEqual(len(own), 1, own)

    def _names_of_threads(self):
        for task in os.listdir("/proc/self/task"):
            with open(f"/proc/self/task/{task}/comm") as f:
                yield f.read().strip()


class Unclaimed(HttpTest):
    """What nobody asks for is logged, once."""

    def setUp(self):
        super().setUp()
        self.lines = []
        self.handler = logging.Handler()
        self.handler.emit = lambda record: self.lines.append(record.getMessage())
        log = logging.getLogger("eddy")
        log.addHandler(self.handler)
        log.propagate = False
        self.addCleanup(log.removeHandler, self.handler)

    def refused(self):
        return f"http://127.0.0.1:{refusing_port(self)}/"

    def test_when_the_handle_goes_after_the_failure(self):
        handle = eddy.fetch(self.refused())
        wait_until(handle.done)
        self.assertEqual(self.lines, [])
        del handle
        gc.collect()
        self.assertEqual(len(self.lines), 1)
        self.assertIn("Unhandled error in EventualResult", self.lines[0])
        self.assertIn("ConnectError", self.lines[0])

    def test_when_the_failure_comes_after_the_handle_went(self):
        eddy.fetch(self.url("/slow"), timeout=0.05)
        wait_until(lambda: self.lines)
        time.sleep(0.05)
        self.assertEqual(len(self.lines), 1)

    def test_what_was_asked_for_is_not_logged(self):
        handle = eddy.fetch(self.refused())
        with self.assertRaises(eddy.ConnectError):
            handle.wait(10)
        del handle
        other = eddy.fetch(self.refused())
        wait_until(other.done)
        self.assertIsNotNone(other.original_failure())
        del other
        gc.collect()
        self.assertEqual(self.lines, [])

    def test_a_wait_that_timed_out_does_not_count(self):
        handle = eddy.fetch(self.url("/slow?then=hangup"))
        with self.assertRaises(eddy.WaitTimeout):
            handle.wait(0.01)
        self.release()
        wait_until(handle.done)
        del handle
        self.assertEqual(len(self.lines), 1)

    def test_neither_is_what_was_cancelled(self):
        handle = eddy.fetch(self.url("/slow"))
        handle.cancel()
        wait_until(handle.done)
        del handle
        eddy.fetch(self.url()).wait(10)
        self.assertEqual(self.lines, [])

    def test_success_is_silent(self):
        for _ in range(10):
            eddy.fetch(self.url())
        wait_until(lambda: eddy.counts()["pending"] == 0)
        self.assertEqual(self.lines, [])


if __name__ == "__main__":
    unittest.main()
