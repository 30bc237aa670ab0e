"""eddy.redis(): commands, replies, transactions, failures, forks."""
import asyncio
import unittest

import eddy
from databases import start_redis
from servers import refusing_port, run_python


def setUpModule():
    global url
    url = start_redis()


class RedisTest(unittest.TestCase):
    def setUp(self):
        self.db = eddy.redis(url)
        self.addCleanup(self.db.close)
        self.ask("FLUSHALL")

    def ask(self, *words):
        return self.db.command(*words).wait(20)


class Commands(RedisTest):
    def test_each_kind_of_reply(self):
        self.assertEqual(self.ask("SET", "a", "1"), "OK")
        self.assertEqual(self.ask("GET", "a"), b"1")
        self.assertEqual(self.ask("INCR", "a"), 2)
        self.assertIsNone(self.ask("GET", "b"))
        self.ask("RPUSH", "l", "x", b"\0\xff", 3, 1.5)
        self.assertEqual(self.ask("LRANGE", "l", 0, -1),
                         [b"x", b"\0\xff", b"3", b"1.5"])

    def test_strings_can_be_text(self):
        db = eddy.redis(url, decode=True)
        db.command("SET", "a", "Malmö").wait(20)
        self.assertEqual(db.command("GET", "a").wait(20), "Malmö")
        raw = b"\xff\xfe"
        db.command("SET", "a", raw).wait(20)
        got = db.command("GET", "a").wait(20)
        self.assertEqual(got.encode("utf-8", "surrogateescape"), raw)

    def test_many_at_once_are_answered_in_their_order(self):
        handles = [self.db.command("ECHO", n) for n in range(500)]
        self.assertEqual(eddy.gather(handles, 20),
                         [b"%d" % n for n in range(500)])

    def test_arguments_hold_anything(self):
        value = "with spaces\r\nand %s lines"
        self.ask("SET", "k", value)
        self.assertEqual(self.ask("GET", "k"), value.encode())

    def test_what_is_no_argument_is_refused_at_once(self):
        for words in ([], ["SET", "a", None], ["SET", "a", object()]):
            with self.assertRaises((TypeError, ValueError)):
                self.db.command(*words)

    def test_under_asyncio(self):
        async def main():
            return await asyncio.gather(
                *[self.db.command("INCR", "n") for _ in range(20)])

        self.assertEqual(asyncio.run(main()), list(range(1, 21)))


class Transactions(RedisTest):
    def test_all_in_one_go(self):
        got = self.db.multi([["SET", "a", 1], ["INCR", "a"], ["GET", "a"]])
        self.assertEqual(got.wait(20), ["OK", 2, b"2"])

    def test_errors_within_are_values(self):
        self.ask("SET", "a", "x")
        ok, bad = self.db.multi([["SET", "b", 1], ["INCR", "a"]]).wait(20)
        self.assertEqual(ok, "OK")
        self.assertIsInstance(bad, eddy.DatabaseError)

    def test_nothing_gives_nothing(self):
        self.assertEqual(self.db.multi([]).wait(20), [])


class Failures(RedisTest):
    def test_the_server_refuses(self):
        self.ask("SET", "a", "x")
        with self.assertRaises(eddy.DatabaseError) as caught:
            self.ask("INCR", "a")
        self.assertEqual(caught.exception.phase, "command")
        self.assertIn("not an integer", str(caught.exception))

    def test_what_a_shared_connection_cannot_do(self):
        with self.assertRaises(eddy.UsageError):
            self.ask("SUBSCRIBE", "x")

    def test_nobody_there(self):
        port = refusing_port(self)
        with self.assertRaises(eddy.DatabaseError) as caught:
            eddy.redis(f"redis://127.0.0.1:{port}").command("PING").wait(20)
        self.assertEqual(caught.exception.phase, "connect")
        self.assertEqual(caught.exception.host, f"127.0.0.1:{port}")

    def test_a_url_that_is_none(self):
        with self.assertRaises(eddy.UsageError):
            eddy.redis("nonsense://").command("PING").wait(20)

    def test_a_reply_that_is_too_large(self):
        self.ask("SET", "a", "x" * 5000)
        with self.assertRaises(eddy.TooLarge):
            eddy.redis(url, max_reply=1000).command("GET", "a").wait(20)

    def test_a_blocking_command_can_be_given_up(self):
        handle = self.db.command("BLPOP", "nothing", 0)
        with self.assertRaises(eddy.WaitTimeout):
            handle.wait(0.05)
        handle.cancel()
        with self.assertRaises(eddy.Canceled):
            handle.wait(20)
        self.assertEqual(self.ask("PING"), "PONG")


class Forks(unittest.TestCase):
    def test_a_child_has_connections_of_its_own(self):
        out, err = run_python(
            "import eddy, os, sys\n"
            "db = eddy.redis(sys.argv[1])\n"
            "db.command('PING').wait(20)\n"
            "child = os.fork()\n"
            "if not child:\n"
            "    print(db.command('PING').wait(20), flush=True)\n"
            "    os._exit(0)\n"
            "os.waitpid(child, 0)\n"
            "print(db.command('PING').wait(20))\n",
            url,
        )
        self.assertEqual((out.split(), err), (["PONG", "PONG"], ""))


if __name__ == "__main__":
    unittest.main()
