"""What happens at the edges of a process: forks, signals, threads, its end.

Each test runs programs of its own, which must come to their end by themselves.
"""
import os
import signal
import subprocess
import sys
import textwrap
import time
import unittest

import eddy
from servers import PATIENCE, HttpTest, refusing_port, run_python, wait_until

PRELUDE = """
import multiprocessing, os, signal, sys, threading, time
import eddy
url = sys.argv[1]
def get(path="/large?bytes=1"):
    return eddy.fetch(url + path).wait(20).status
def say(*words):
    print(*words, flush=True)
def reap(pid):
    status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    assert status == 0, status
"""


class ProcessTest(HttpTest):
    # Children are made when the loop sleeps, by those that get() something first:
    # the allocator of ASan may be locked for good in others. test_fork.c has them.

    def run_code(self, code):
        code = PRELUDE + textwrap.dedent(code)
        out, err = run_python(code, self.url().rstrip("/"))
        self.assertEqual(err, "")
        return out.splitlines()


class Threads(ProcessTest):
    def test_there_are_two_in_the_process(self):
        out = self.run_code(
            """
            def count(): return len(os.listdir("/proc/self/task"))
            before = count()
            handles = [eddy.fetch(f"http://localhost:{url.rpartition(':')[2]}/")
                       for _ in range(200)]
            eddy.gather(handles, 20)
            say(before, count())
            """
        )
        self.assertEqual(out, ["1 2"])

    def test_what_is_dropped_goes_though_the_main_one_sleeps(self):
        out = self.run_code(
            """
            import weakref
            class Url(str): pass
            def work():
                kept = []
                for n in range(20):
                    address = Url(url + "/large?bytes=1000")
                    kept.append(weakref.ref(address))
                    eddy.fetch(address)
                    del address
                while eddy.counts()["pending"]: time.sleep(0.01)
                get(), get()
                say(sum(one() is not None for one in kept))
            thread = threading.Thread(target=work)
            thread.start()
            thread.join()
            """
        )
        self.assertEqual(out, ["0"])

    def test_importing_starts_none_and_takes_no_signal(self):
        out = self.run_code(
            """
            def handled():
                with open("/proc/self/status") as f:
                    lines = dict(line.split(":", 1) for line in f)
                # Those behind 31 are the C library's own.
                return [int(lines[name], 16) & 0x7fffffff
                        for name in ("SigCgt", "SigIgn", "SigBlk")]
            before = handled()
            get()
            say(before == handled())
            """
        )
        self.assertEqual(out, ["True"])


class Forks(ProcessTest):
    def test_a_child_calls_and_so_does_the_parent(self):
        out = self.run_code(
            """
            get()
            pid = os.fork()
            if not pid:
                say("child", get())
                os._exit(0)
            reap(pid)
            say("parent", get())
            """
        )
        self.assertEqual(out, ["child 200", "parent 200"])

    def test_what_is_under_way_is_the_parent_s(self):
        out = self.run_code(
            """
            done = eddy.fetch(url)
            done.wait(20)
            pending = eddy.fetch(url + "/slow")
            pid = os.fork()
            if not pid:
                say(done.wait(0).status)
                try: pending.wait(20)
                except eddy.Stopped as e: say(e.name)
                try: eddy.gather([pending], 20)
                except eddy.Stopped as e: say(e.name)
                say(pending.done())
                os._exit(0)
            reap(pid)
            say(eddy.fetch(url + "/status?code=200").wait(20).status)
            pending.cancel()
            """
        )
        self.assertEqual(
            out, ["200", "ED_EFORKED", "ED_EFORKED", "False", "200"]
        )

    def test_sessions_work_in_both(self):
        out = self.run_code(
            """
            s = eddy.Session(url, cookies=True, timeout=20)
            s.get("/cookie").wait()
            for name in "child", "child":
                pid = os.fork()
                if not pid:
                    say(name, s.get("/echo").wait().status, s.cookies())
                    os._exit(0)
                reap(pid)
            say("parent", len(s.cookies()), s.get("/echo").wait().reused)
            """
        )
        self.assertEqual(
            out, ["child 200 []", "child 200 []", "parent 1 True"]
        )

    def test_forks_in_threads_while_others_call(self):
        out = self.run_code(
            """
            over = threading.Event()
            def call():
                while not over.is_set():
                    assert get() == 200
            def fork():
                for _ in range(5):
                    pid = os.fork()
                    if not pid:
                        ok = get() == 200
                        os._exit(0 if ok else 1)
                    reap(pid)
            callers = [threading.Thread(target=call) for _ in range(3)]
            forkers = [threading.Thread(target=fork) for _ in range(2)]
            for t in callers + forkers: t.start()
            for t in forkers: t.join()
            over.set()
            for t in callers: t.join()
            say("fine")
            """
        )
        self.assertEqual(out, ["fine"])

    def test_grandchildren(self):
        out = self.run_code(
            """
            for depth in range(3):
                say(depth, get())
                pid = os.fork()
                if pid:
                    reap(pid)
                    break
            """
        )
        self.assertEqual(out, ["0 200", "1 200", "2 200"])

    def test_a_child_that_exits_as_usual(self):
        out = self.run_code(
            """
            get()
            pending = eddy.fetch(url + "/slow")
            pid = os.fork()
            if not pid:
                say(get())
                sys.exit(0)
            reap(pid)
            pending.cancel()
            """
        )
        self.assertEqual(out, ["200"])

    def test_a_dropped_handle_of_the_parent_is_silent(self):
        self.run_code(
            """
            get()
            handles = [eddy.fetch(url + "/slow") for _ in range(5)]
            pid = os.fork()
            if not pid:
                del handles
                get()
                sys.exit(0)
            reap(pid)
            for handle in handles: handle.cancel()
            """
        )

    def test_multiprocessing_of_every_kind(self):
        path = os.path.dirname(os.path.abspath(__file__))
        for method in ("fork", "spawn", "forkserver"):
            out = self.run_code(
                f"""
                sys.path.insert(0, {path!r})
                from pooled import status_of
                if __name__ == "__main__":
                    get()
                    context = multiprocessing.get_context({method!r})
                    with context.Pool(2) as pool:
                        say(*pool.map(status_of, [url + "/status?code=200"] * 8))
                    say(get())
                """
            )
            self.assertEqual(out, [" ".join(["200"] * 8), "200"], method)

    def test_asyncio_in_a_child(self):
        out = self.run_code(
            """
            import asyncio
            async def main():
                return (await eddy.fetch(url)).status
            say(asyncio.run(main()))
            pid = os.fork()
            if not pid:
                say(asyncio.run(main()))
                os._exit(0)
            reap(pid)
            """
        )
        self.assertEqual(out, ["200", "200"])


    def test_failures_of_the_parent_are_told_there(self):
        self.run_code(
            """
            failed, stashed = [eddy.fetch(url + "/nonsense") for _ in range(2)]
            while eddy.counts()["pending"]: time.sleep(0.01)
            number = stashed.stash()
            del stashed
            pid = os.fork()
            if not pid:
                del failed
                get()
                sys.exit(0)
            reap(pid)
            failed.original_failure()
            eddy.retrieve_result(number).original_failure()
            """
        )


class Interpreters(ProcessTest):
    def test_a_second_one_is_refused_and_the_first_goes_on(self):
        out = self.run_code(
            """
            try: import _interpreters as i
            except ImportError: import _xxsubinterpreters as i
            handle = eddy.fetch(url)
            other = i.create()
            try: refused = i.run_string(other, "import eddy")
            except Exception as e: refused = e
            say("ImportError" in repr(refused))
            i.destroy(other)
            say(eddy.gather([handle, eddy.fetch(url)], 20)[1].status)
            """
        )
        self.assertEqual(out, ["True", "200"])


class Ends(ProcessTest):
    def test_with_work_pending(self):
        began = time.monotonic()
        self.run_code(
            """
            handles = [eddy.fetch(url + "/slow") for _ in range(50)]
            """
        )
        self.assertLess(time.monotonic() - began, PATIENCE / 2)

    def test_with_a_daemon_thread_that_waits(self):
        self.run_code(
            """
            def wait():
                try: eddy.fetch(url + "/slow").wait()
                except eddy.Stopped: pass
            threading.Thread(target=wait, daemon=True).start()
            time.sleep(0.05)
            """
        )

    def test_with_a_thread_that_outlives_the_main_one(self):
        out = self.run_code(
            """
            def work():
                threading.main_thread().join()
                say(get())
            threading.Thread(target=work).start()
            """
        )
        self.assertEqual(out, ["200"])

    def test_with_calls_in_the_very_last_moment(self):
        out = self.run_code(
            """
            import atexit
            def late():
                try: eddy.fetch(url).wait(20)
                except eddy.Stopped: say("stopped")
            class Last:
                def __del__(self): late()
            last = Last()
            get()
            """
        )
        self.assertIn(out, ([], ["stopped"]))

    def test_a_stop_fails_what_waits_and_a_start_begins_anew(self):
        out = self.run_code(
            """
            s = eddy.Session(url, timeout=20)
            s.get("/echo").wait()
            pending = eddy.fetch(url + "/slow")
            say(eddy.stop(5))
            for handle in pending, eddy.fetch(url):
                try: handle.wait(20)
                except eddy.Stopped as e: say(e.name)
            eddy.start()
            say(get(), s.get("/echo").wait().status)
            say(eddy.counts()["running"], eddy.counts()["starts"])
            """
        )
        self.assertEqual(
            out,
            ["True", "ED_ESTOPPED", "ED_ESTOPPED", "200 200", "True 2"],
        )

    def test_what_a_gather_gave_up_is_silent(self):
        port = refusing_port(self)
        self.run_code(
            f"""
            for _ in range(3):
                handles = [eddy.fetch("http://127.0.0.1:{port}/")
                           for _ in range(30)]
                try: eddy.gather(handles)
                except eddy.ConnectError: pass
                del handles
            get()
            """
        )

    def test_limits_are_numbers_that_fit(self):
        out = self.run_code(
            """
            for number in -1, 2**40, 2**70, "x":
                try: eddy.start(number)
                except (TypeError, ValueError, OverflowError): say("refused")
            forever = float("inf")
            s = eddy.Session(url, timeout=1e300, connect_timeout=forever,
                             keep_alive=forever, resolve_timeout=forever,
                             tls_timeout=forever, first_byte_timeout=forever,
                             idle_timeout=forever, hedge_after=forever)
            handle = s.get("/echo", timeout=forever, connect_timeout=1e300)
            say(handle.wait(forever).status)
            handles = [eddy.fetch(url) for _ in range(3)]
            say(len(eddy.gather(handles, forever)))
            say(len(list(eddy.as_completed(handles, forever))))
            """
        )
        self.assertEqual(out, ["refused"] * 4 + ["200", "3", "3"])

    def test_failures_nobody_asked_for_are_told_before_the_end(self):
        _, err = run_python(
            PRELUDE + "eddy.fetch(url + '/nonsense').stash()\n"
            "eddy.fetch(url + '/nonsense').done()\n"
            "h = eddy.fetch(url + '/nonsense')\n"
            "while eddy.counts()['pending']: time.sleep(0.01)\n",
            self.url().rstrip("/"),
        )
        self.assertEqual(err.count("Unhandled error"), 3, err)


class Signals(ProcessTest):
    """Ctrl-C ends a wait, and not what is waited for."""

    def interrupt(self, code):
        # Whoever runs the tests may have it ignored.
        program = PRELUDE + textwrap.dedent(
            "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        ) + textwrap.dedent(code)
        process = subprocess.Popen(
            [os.environ.get("EDDY_PYTHON", sys.executable), "-c", program,
             self.url().rstrip("/")],
            stdout=subprocess.PIPE, text=True,
        )
        self.addCleanup(process.stdout.close)
        try:
            self.assertTrue(self.server.asked.wait(PATIENCE))
            self.assertEqual(process.stdout.readline(), "waiting\n")
            time.sleep(0.1)
            process.send_signal(signal.SIGINT)
            self.assertEqual(process.stdout.readline(), "interrupted\n")
            self.release()
            out, _ = process.communicate(timeout=PATIENCE)
        finally:
            process.kill()
            process.wait()
        self.assertEqual(process.returncode, 0)
        return out.splitlines()

    def test_of_a_wait(self):
        out = self.interrupt(
            """
            handle = eddy.fetch(url + "/slow")
            say("waiting")
            try: handle.wait()
            except KeyboardInterrupt: say("interrupted")
            say(handle.wait(20).text)
            """
        )
        self.assertEqual(out, ["at last"])

    def test_of_many(self):
        out = self.interrupt(
            """
            handles = [eddy.fetch(url + "/slow") for _ in range(3)]
            say("waiting")
            try: eddy.gather(handles, timeout=1000)
            except KeyboardInterrupt: say("interrupted")
            say(*[a.text for a in eddy.gather(handles, 20)])
            """
        )
        self.assertEqual(out, ["at last at last at last"])

    def test_while_other_threads_wait(self):
        out = self.interrupt(
            """
            handle = eddy.fetch(url + "/slow")
            def work(): say(handle.wait(60).text)
            thread = threading.Thread(target=work)
            thread.start()
            say("waiting")
            try: handle.wait(60)
            except KeyboardInterrupt: say("interrupted")
            thread.join()
            """
        )
        self.assertEqual(out, ["at last"])

    def test_that_comes_as_the_call_ends(self):
        handle = eddy.fetch(self.url("/slow"))

        def let_it_end(*_):
            self.release()
            wait_until(handle.done)
            raise InterruptedError("told")

        before = signal.signal(signal.SIGALRM, let_it_end)
        self.addCleanup(signal.signal, signal.SIGALRM, before)
        signal.setitimer(signal.ITIMER_REAL, 0.05)
        with self.assertRaises(InterruptedError):
            handle.wait(20)
        self.assertEqual(handle.wait(20).text, "at last")

    def test_a_handler_that_raises_nothing_does_not_end_it(self):
        out = self.interrupt(
            """
            signal.signal(signal.SIGINT, lambda *_: say("interrupted"))
            handle = eddy.fetch(url + "/slow")
            say("waiting")
            say(handle.wait(60).text)
            """
        )
        self.assertEqual(out, ["at last"])


if __name__ == "__main__":
    unittest.main()
