"""gather(), as_completed(), race(), and handles under asyncio."""
import asyncio
import contextlib
import gc
import os
import threading
import unittest
from unittest import mock

import eddy
from servers import HttpTest, wait_until


class Gathered(HttpTest):
    def test_results_are_in_the_order_asked(self):
        paths = [f"/large?bytes={n}" for n in range(1, 30)]
        answers = eddy.gather([eddy.fetch(self.url(p)) for p in paths], 20)
        self.assertEqual([len(a.content) for a in answers], list(range(1, 30)))

    def test_nothing_gives_nothing(self):
        self.assertEqual(eddy.gather([]), [])
        self.assertEqual(eddy.gather(iter(())), [])

    def test_the_first_failure_is_raised_and_the_others_cancelled(self):
        slow = eddy.fetch(self.url("/slow"))
        bad = eddy.fetch(self.url("/nonsense"))
        with self.assertRaises(eddy.ProtocolError):
            eddy.gather([slow, bad])
        with self.assertRaises(eddy.Canceled):
            slow.wait(10)

    def test_failures_can_be_results(self):
        handles = [eddy.fetch(self.url(p)) for p in ("/echo", "/nonsense")]
        good, bad = eddy.gather(handles, 10, return_exceptions=True)
        self.assertEqual(good.status, 200)
        self.assertIsInstance(bad, eddy.ProtocolError)

    def test_a_time_limit_cancels_what_is_late(self):
        slow = eddy.fetch(self.url("/slow"))
        quick = eddy.fetch(self.url())
        quick.wait(10)
        with self.assertRaises(eddy.TimeoutError) as caught:
            eddy.gather([quick, slow], timeout=0.05)
        self.assertIn("1 of 2", str(caught.exception))
        self.assertNotIsInstance(caught.exception, eddy.WaitTimeout)
        with self.assertRaises(eddy.Canceled):
            slow.wait(10)

    def test_a_call_that_took_too_long_is_told_as_such(self):
        # Where the machine is busy its time may be over before it waits.
        for timeout in (0.05, 0.5, 5):
            slow = eddy.fetch(self.url("/slow"))
            late = eddy.fetch(self.url("/slow?late"), timeout=timeout)
            with self.assertRaises(eddy.TimeoutError) as caught:
                eddy.gather([slow, late], timeout=20)
            if caught.exception.phase == "wait":
                break
        self.assertEqual(caught.exception.phase, "wait")
        self.assertEqual(caught.exception.url, self.url("/slow?late"))
        with self.assertRaises(eddy.Canceled):
            slow.wait(10)

    def test_what_is_late_can_be_a_result(self):
        quick = eddy.fetch(self.url())
        quick.wait(10)
        slow = eddy.fetch(self.url("/slow"))
        good, late = eddy.gather([quick, slow], 0.05, return_exceptions=True)
        self.assertEqual(good.status, 200)
        self.assertIsInstance(late, eddy.TimeoutError)

    def test_only_handles_are_taken(self):
        with self.assertRaises(TypeError):
            eddy.gather([eddy.fetch(self.url()), 3])
        with self.assertRaises(TypeError):
            eddy.gather(3)
        # It says that it is one, being asked.
        fake = mock.Mock(spec=eddy.EventualResult)
        self.assertIsInstance(fake, eddy.EventualResult)
        with self.assertRaises(TypeError):
            eddy.gather([fake])
        with self.assertRaises(TypeError):
            list(eddy.as_completed([fake]))

    def test_a_handle_may_stand_there_twice(self):
        handle = eddy.fetch(self.url())
        one, two = eddy.gather([handle, handle], 10)
        self.assertIs(one, two)

    def test_many_at_once(self):
        handles = [eddy.fetch(self.url("/large?bytes=1")) for _ in range(300)]
        self.assertEqual({a.status for a in eddy.gather(handles, 25)}, {200})


class Completed(HttpTest):
    def test_what_is_done_first_comes_first(self):
        slow = eddy.fetch(self.url("/slow"))
        quick = eddy.fetch(self.url())
        order = []
        for handle in eddy.as_completed([slow, quick], timeout=20):
            order.append(handle)
            self.release()
        self.assertEqual(order, [quick, slow])

    def test_what_is_done_at_the_first_look_is_in_order_too(self):
        handles = [eddy.fetch(self.url("/slow")) for _ in range(4)]
        for n in (2, 0, 3):
            handles[n].cancel()
            wait_until(handles[n].done)
        given = eddy.as_completed(handles, timeout=20)
        order = [handles.index(next(given)) for _ in range(3)]
        self.assertEqual(order, [2, 0, 3])
        self.release()
        self.assertIs(next(given), handles[1])
        self.assertEqual(list(given), [])

    def test_failures_are_given_as_handles(self):
        handles = [eddy.fetch(self.url(p)) for p in ("/echo", "/nonsense")]
        failed = [
            h.original_failure() is not None for h in eddy.as_completed(handles)
        ]
        self.assertEqual(sorted(failed), [False, True])

    def test_too_late_leaves_them_going(self):
        slow = eddy.fetch(self.url("/slow"))
        with self.assertRaises(eddy.WaitTimeout):
            list(eddy.as_completed([slow], timeout=0.02))
        self.release()
        self.assertEqual(slow.wait(10).text, "at last")

    def test_a_race_is_won_by_the_first_success(self):
        slow = eddy.fetch(self.url("/slow"))
        bad = eddy.fetch(self.url("/nonsense"))
        good = eddy.fetch(self.url("/large?bytes=3"))
        self.assertEqual(eddy.race([slow, bad, good], 10).content, b"xxx")
        with self.assertRaises(eddy.Canceled):
            slow.wait(10)

    def test_a_race_that_nobody_wins_fails(self):
        with self.assertRaises(eddy.ProtocolError):
            eddy.race([eddy.fetch(self.url("/nonsense"))], 10)
        with self.assertRaises(eddy.TimeoutError):
            eddy.race([eddy.fetch(self.url("/slow"))], 0.02)
        with self.assertRaises(ValueError):
            eddy.race([])


class Awaited(HttpTest):
    def test_a_handle_can_be_awaited(self):
        async def main():
            answer = await eddy.fetch(self.url())
            return answer.status

        self.assertEqual(asyncio.run(main()), 200)

    def test_so_can_many_at_once(self):
        async def main():
            handles = [eddy.fetch(self.url()) for _ in range(100)]
            return await asyncio.gather(*handles)

        self.assertEqual(len(asyncio.run(main())), 100)

    def test_failures_are_raised(self):
        async def main():
            await eddy.fetch(self.url("/nonsense"))

        with self.assertRaises(eddy.ProtocolError):
            asyncio.run(main())

    def test_one_that_is_done_does_not_suspend(self):
        handle = eddy.fetch(self.url())
        handle.wait(10)
        with self.assertRaises(StopIteration) as caught:
            next(handle.__await__())
        self.assertEqual(caught.exception.value.status, 200)

    def test_the_loop_runs_meanwhile(self):
        async def main():
            handle = eddy.fetch(self.url("/slow"))

            async def let_go():
                while not self.server.asked.is_set():
                    await asyncio.sleep(0.01)
                self.release()

            answer, _ = await asyncio.gather(handle, let_go())
            return answer.text

        self.assertEqual(asyncio.run(main()), "at last")

    def test_a_cancelled_task_cancels_the_call(self):
        handles = []

        async def main():
            handles.append(eddy.fetch(self.url("/slow")))
            with self.assertRaises(asyncio.TimeoutError):
                await asyncio.wait_for(asyncio.ensure_future(self._of(handles)), 0.05)

        asyncio.run(main())
        with self.assertRaises(eddy.Canceled):
            handles[0].wait(10)

    async def _of(self, handles):
        return await handles[0]

    def test_loops_of_several_threads(self):
        got = []

        def work():
            async def main():
                answers = await asyncio.gather(
                    *[eddy.fetch(self.url()) for _ in range(20)]
                )
                got.extend(a.status for a in answers)

            asyncio.run(main())

        threads = [threading.Thread(target=work) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(got, [200] * 80)

    def count_descriptors(self):
        gc.collect()
        links = []
        for fd in os.listdir("/proc/self/fd"):
            with contextlib.suppress(OSError):
                links.append(os.readlink(f"/proc/self/fd/{fd}"))
        return links.count("anon_inode:[eventfd]")

    def test_a_loop_that_ended_leaves_no_descriptor(self):
        async def main():
            await eddy.fetch(self.url())

        asyncio.run(main())
        before = self.count_descriptors()
        for _ in range(5):
            asyncio.run(main())
        self.assertLessEqual(self.count_descriptors(), before)

    def test_nor_does_one_with_calls_that_were_given_up(self):
        async def give_up():
            with self.assertRaises(asyncio.TimeoutError):
                await asyncio.wait_for(eddy.fetch(self.url("/slow")), 0.02)

        async def leave():
            asyncio.ensure_future(self._of([eddy.fetch(self.url("/slow"))]))
            await asyncio.sleep(0.02)

        def abandon():
            loop = asyncio.new_event_loop()
            loop.run_until_complete(leave())
            loop.close()  # with a task that waits

        eddy.fetch(self.url()).wait(10)
        before = self.count_descriptors()
        for _ in range(3):
            asyncio.run(give_up())
            asyncio.run(leave())
            abandon()
        self.release()
        wait_until(lambda: self.count_descriptors() <= before)

    def test_a_streamed_body_is_iterated(self):
        async def main():
            answer = await eddy.fetch(self.url("/pieces"), stream=True)
            with answer:
                return b"".join([piece async for piece in answer])

        self.assertEqual(asyncio.run(main()).count(b"\n"), 5)


if __name__ == "__main__":
    unittest.main()
