"""eddy.compat.crochet, rule by rule."""
import asyncio
import gc
import inspect
import logging
import threading
import time
import unittest

import eddy
from eddy.compat import crochet
from servers import HttpTest, run_python, wait_until

crochet.setup()


@crochet.run_in_reactor
def in_thread():
    return threading.current_thread()


class Calls(HttpTest):
    def test_a_call_runs_in_the_loop_s_thread(self):
        thread = in_thread().wait(10)
        self.assertEqual(thread.name, "CrochetReactor")
        self.assertIs(in_thread().wait(10), thread)

    def test_calls_of_one_thread_run_in_their_order(self):
        seen = []
        note = crochet.run_in_reactor(seen.append)
        for handle in [note(n) for n in range(100)]:
            handle.wait(10)
        self.assertEqual(seen, list(range(100)))

    def test_values_promises_and_coroutines_look_the_same(self):
        @crochet.run_in_reactor
        def value():
            return 1

        @crochet.run_in_reactor
        def promise():
            future = asyncio.get_running_loop().create_future()
            asyncio.get_running_loop().call_later(0.01, future.set_result, 2)
            return future

        @crochet.run_in_reactor
        async def coroutine():
            await asyncio.sleep(0.01)
            return 3

        @crochet.run_in_reactor
        def fetch():
            return eddy.fetch(self.url())

        self.assertEqual(value().wait(10), 1)
        self.assertEqual(promise().wait(10), 2)
        self.assertEqual(coroutine().wait(10), 3)
        self.assertEqual(fetch().wait(10).status, 200)

    def test_exceptions_travel_with_type_and_arguments(self):
        @crochet.run_in_reactor
        def bad():
            raise KeyError("a", 1)

        with self.assertRaises(KeyError) as caught:
            bad().wait(10)
        self.assertEqual(caught.exception.args, ("a", 1))

    def test_decorated_functions_stay_what_they_were(self):
        def add(a, b=2):
            """Adds."""
            return a + b

        for decorated in (
            crochet.run_in_reactor(add),
            crochet.wait_for(1)(add),
        ):
            self.assertEqual(decorated.__name__, "add")
            self.assertEqual(decorated.__doc__, "Adds.")
            self.assertIs(decorated.__wrapped__, add)
            self.assertEqual(inspect.signature(decorated), inspect.signature(add))

    def test_methods_of_all_kinds_can_be_decorated(self):
        class Thing:
            @crochet.wait_for(10)
            def own(self, x):
                return self, x

            @crochet.wait_for(10)
            @classmethod
            def of_class(cls, x):
                return cls, x

            @crochet.run_in_reactor
            @staticmethod
            def of_nobody(x):
                return x

        thing = Thing()
        self.assertEqual(thing.own(1), (thing, 1))
        self.assertEqual(Thing.of_class(2), (Thing, 2))
        self.assertEqual(Thing.of_nobody(3).wait(10), 3)


class Waits(unittest.TestCase):
    def test_the_worked_example(self):
        gate = threading.Event()

        @crochet.run_in_reactor
        async def slow():
            while not gate.is_set():
                await asyncio.sleep(0.005)
            return "value"

        handle = slow()
        with self.assertRaises(crochet.TimeoutError):
            handle.wait(0.02)
        gate.set()
        self.assertEqual(handle.wait(10), "value")
        self.assertEqual(handle.wait(0), "value")

    def test_the_argument_is_required(self):
        with self.assertRaises(TypeError):
            in_thread().wait()

    def test_time_outs_are_of_a_class_of_their_own(self):
        self.assertFalse(issubclass(crochet.TimeoutError, TimeoutError))

    def test_failures_are_delivered_again(self):
        @crochet.run_in_reactor
        def bad():
            raise OSError(3)

        handle = bad()
        for _ in range(3):
            with self.assertRaises(OSError):
                handle.wait(10)

    def test_wait_for_cancels_what_is_late(self):
        ends = []

        @crochet.wait_for(0.02)
        async def slow():
            try:
                await asyncio.sleep(30)
            except asyncio.CancelledError:
                ends.append("cancelled")
                raise

        with self.assertRaises(crochet.TimeoutError):
            slow()
        wait_until(lambda: ends == ["cancelled"])

    def test_waiting_in_the_loop_s_thread_is_refused(self):
        ran = []
        other = crochet.run_in_reactor(lambda: ran.append(1) or time.sleep(0))

        @crochet.run_in_reactor
        def wait_inside():
            return other().wait(1)

        @crochet.run_in_reactor
        def wait_for_inside():
            return crochet.wait_for(1)(lambda: ran.append(2))()

        with self.assertRaises(RuntimeError):
            wait_inside().wait(10)
        with self.assertRaises(RuntimeError):
            wait_for_inside().wait(10)
        in_thread().wait(10)
        self.assertEqual(ran, [1])

    def test_a_result_that_is_there_may_be_taken_in_the_loop(self):
        done = in_thread()
        done.wait(10)
        again = crochet.run_in_reactor(lambda: done.wait(0))
        self.assertIs(again().wait(10), done.wait(0))


class Cancels(unittest.TestCase):
    def test_at_once_after_the_call(self):
        @crochet.run_in_reactor
        async def slow():
            await asyncio.sleep(30)

        handle = slow()
        handle.cancel()
        handle.cancel()
        with self.assertRaises(asyncio.CancelledError):
            handle.wait(10)

    def test_is_an_exception_as_others(self):
        @crochet.run_in_reactor
        async def slow():
            await asyncio.sleep(30)

        handle = slow()
        handle.cancel()
        try:
            handle.wait(10)
        except Exception as error:
            self.assertIsInstance(error, crochet.CancelledError)
            self.assertIsInstance(error, eddy.Canceled)

    def test_what_becomes_of_it_is_the_call_s_business(self):
        @crochet.run_in_reactor
        async def stubborn():
            try:
                await asyncio.sleep(30)
            except asyncio.CancelledError:
                return "finished"

        handle = stubborn()
        in_thread().wait(10)
        handle.cancel()
        self.assertEqual(handle.wait(10), "finished")

    def test_what_is_over_stays_so(self):
        handle = in_thread()
        thread = handle.wait(10)
        handle.cancel()
        self.assertIs(handle.wait(0), thread)


class Failures(unittest.TestCase):
    def setUp(self):
        self.lines = []
        handler = logging.Handler()
        handler.emit = lambda record: self.lines.append(record.getMessage())
        log = logging.getLogger("eddy.crochet")
        log.addHandler(handler)
        log.propagate = False
        self.addCleanup(log.removeHandler, handler)

    def bad(self, gate=None):
        @crochet.run_in_reactor
        async def bad():
            while gate and not gate.is_set():
                await asyncio.sleep(0.005)
            raise ValueError("told")

        return bad()

    def test_the_original_failure_has_its_traceback(self):
        handle = self.bad()
        wait_until(handle.original_failure)
        failure = handle.original_failure()
        self.assertIs(failure.type, ValueError)
        self.assertEqual(failure.getErrorMessage(), "told")
        self.assertIn("in bad", failure.getTraceback())
        self.assertIs(failure.check(KeyError, ValueError), ValueError)
        self.assertIsNone(failure.check(KeyError))

    def test_there_is_none_while_pending_and_of_success(self):
        gate = threading.Event()
        handle = self.bad(gate)
        self.assertIsNone(handle.original_failure())
        gate.set()
        with self.assertRaises(ValueError):
            handle.wait(10)
        good = in_thread()
        good.wait(10)
        self.assertIsNone(good.original_failure())

    def test_unclaimed_when_the_handle_goes(self):
        handle = self.bad()
        wait_until(handle._outcome.arrived.is_set)
        self.assertEqual(self.lines, [])
        del handle
        gc.collect()
        self.assertEqual(len(self.lines), 1)
        self.assertIn("Unhandled error in EventualResult", self.lines[0])
        self.assertIn("ValueError: told", self.lines[0])

    def test_unclaimed_when_it_comes(self):
        gate = threading.Event()
        handle = self.bad(gate)
        with self.assertRaises(crochet.TimeoutError):
            handle.wait(0.01)
        del handle
        gc.collect()
        self.assertEqual(self.lines, [])
        gate.set()
        wait_until(lambda: self.lines)
        self.assertEqual(len(self.lines), 1)

    def test_claimed_is_not_logged(self):
        handle = self.bad()
        with self.assertRaises(ValueError):
            handle.wait(10)
        del handle
        gc.collect()
        self.assertEqual(self.lines, [])


class Stash(unittest.TestCase):
    def test_a_result_comes_back_once(self):
        handle = in_thread()
        number = handle.stash()
        self.assertIsInstance(number, int)
        self.assertIs(crochet.retrieve_result(number), handle)
        with self.assertRaises(KeyError):
            crochet.retrieve_result(number)

    def test_a_stashed_failure_is_logged_at_exit(self):
        _, err = run_python(
            "from eddy.compat import crochet\n"
            "crochet.setup()\n"
            "def bad(): raise ValueError('told')\n"
            "h = crochet.run_in_reactor(bad)()\n"
            "h._outcome.arrived.wait(10)\n"
            "h.stash(); del h\n"
        )
        self.assertEqual(err.count("Unhandled error"), 1, err)
        self.assertIn("told", err)


class Setup(unittest.TestCase):
    """Each in a process of its own, as there is only one of it."""

    def test_importing_starts_nothing(self):
        out, _ = run_python(
            "import os\n"
            "from eddy.compat import crochet, fido\n"
            "crochet.setup()\n"
            "print(len(os.listdir('/proc/self/task')))\n"
        )
        self.assertEqual(out, "1")

    def test_a_call_before_setup_says_what_is_missing(self):
        out, _ = run_python(
            "from eddy.compat import crochet\n"
            "try: crochet.run_in_reactor(print)()\n"
            "except RuntimeError as e: print(e)\n"
        )
        self.assertEqual(out, "setup() has not been called")

    def test_no_setup_after_setup_or_twice_is_refused(self):
        for first in ("setup", "no_setup"):
            out, _ = run_python(
                "from eddy.compat import crochet\n"
                f"crochet.{first}()\n"
                "try: crochet.no_setup()\n"
                "except RuntimeError: print('refused')\n"
            )
            self.assertEqual(out, "refused")

    def test_no_setup_takes_the_program_s_own_loop(self):
        out, _ = run_python(
            "import asyncio, threading\n"
            "from eddy.compat import crochet\n"
            "@crochet.run_in_reactor\n"
            "def inside(): return threading.current_thread().name\n"
            "async def main():\n"
            "    crochet.no_setup()\n"
            "    crochet.setup()\n"
            "    loop = asyncio.get_running_loop()\n"
            "    wait = lambda: inside().wait(10)\n"
            "    print(await loop.run_in_executor(None, wait))\n"
            "    try: inside().wait(1)\n"
            "    except RuntimeError: print('refused')\n"
            "asyncio.run(main())\n"
        )
        self.assertEqual(out.split(), ["MainThread", "refused"])


class Shutdown(unittest.TestCase):
    def test_the_end_of_the_main_thread_wakes_those_who_wait(self):
        out, _ = run_python(
            "import asyncio, threading\n"
            "from eddy.compat import crochet\n"
            "crochet.setup()\n"
            "@crochet.run_in_reactor\n"
            "async def forever(): await asyncio.sleep(1000)\n"
            "def work():\n"
            "    try: forever().wait(1000)\n"
            "    except crochet.ReactorStopped: print('stopped', flush=True)\n"
            "    try: forever()\n"
            "    except crochet.ReactorStopped: print('refused', flush=True)\n"
            "threading.Thread(target=work).start()\n"
        )
        self.assertEqual(out.split(), ["stopped", "refused"])

    def test_also_those_of_a_pool_that_came_later(self):
        out, _ = run_python(
            "import asyncio\n"
            "from eddy.compat import crochet\n"
            "crochet.setup()\n"
            "from concurrent.futures import ThreadPoolExecutor\n"
            "@crochet.run_in_reactor\n"
            "async def forever(): await asyncio.sleep(1000)\n"
            "def work():\n"
            "    try: forever().wait(1000)\n"
            "    except crochet.ReactorStopped: print('stopped', flush=True)\n"
            "ThreadPoolExecutor(1).submit(work)\n"
        )
        self.assertEqual(out, "stopped")

    def test_fetches_as_well(self):
        out, _ = run_python(
            "import socket, threading\n"
            "from eddy.compat import crochet, fido\n"
            "s = socket.create_server(('127.0.0.1', 0))\n"
            "url = 'http://127.0.0.1:%d/' % s.getsockname()[1]\n"
            "def work():\n"
            "    try: fido.fetch(url).wait(1000)\n"
            "    except crochet.ReactorStopped: print('stopped', flush=True)\n"
            "threading.Thread(target=work).start()\n"
        )
        self.assertEqual(out, "stopped")

    def test_and_those_that_begin_in_that_very_moment(self):
        out, _ = run_python(
            "import socket\n"
            "from eddy.compat import crochet, fido\n"
            "s = socket.create_server(('127.0.0.1', 0))\n"
            "url = 'http://127.0.0.1:%d/' % s.getsockname()[1]\n"
            "client_for = fido._client_for\n"
            "def end_meanwhile(proxy):\n"
            "    crochet._reactor.stop()\n"
            "    return client_for(proxy)\n"
            "fido._client_for = end_meanwhile\n"
            "try: fido.fetch(url).wait(5)\n"
            "except crochet.ReactorStopped: print('stopped', flush=True)\n"
        )
        self.assertEqual(out, "stopped")


class Fork(unittest.TestCase):
    CODE = (
        "import asyncio, os, sys\n"
        "from eddy.compat import crochet\n"
        "crochet.setup()\n"
        "@crochet.run_in_reactor\n"
        "async def quick(): return os.getpid()\n"
        "@crochet.run_in_reactor\n"
        "async def slow(): await asyncio.sleep(1000)\n"
        "quick().wait(10)\n"
        "pending, done = slow(), quick()\n"
        "parent = done.wait(10)\n"
        "pid = os.fork()\n"
        "if not pid:\n"
        "    try: pending.wait(10)\n"
        "    except crochet.ReactorStopped: print('left behind', flush=True)\n"
        "    assert done.wait(0) == parent\n"
        "    assert quick().wait(10) == os.getpid()\n"
        "    print('works', flush=True)\n"
        "    os._exit(0)\n"
        "assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0\n"
        "assert pending.original_failure() is None\n"
        "assert quick().wait(10) == os.getpid()\n"
        "print('parent works')\n"
    )

    def test_a_child_has_a_loop_of_its_own(self):
        out, _ = run_python(self.CODE)
        self.assertEqual(
            out.splitlines(), ["left behind", "works", "parent works"]
        )

    def test_failures_of_the_parent_are_told_there(self):
        _, err = run_python(
            "import os, sys\n"
            "from eddy.compat import crochet\n"
            "crochet.setup()\n"
            "def bad(): raise ValueError('told')\n"
            "handle = crochet.run_in_reactor(bad)()\n"
            "handle._outcome.arrived.wait(10)\n"
            "pid = os.fork()\n"
            "if not pid:\n"
            "    del handle\n"
            "    sys.exit(0)\n"
            "assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0\n"
            "handle.original_failure()\n"
        )
        self.assertEqual(err, "")


if __name__ == "__main__":
    unittest.main()
