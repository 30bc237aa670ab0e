"""What Python's clients of databases share: counting answers for some time."""
import asyncio
import json
import time


class Asking:
    """Tasks add to `answers`, and end when it is `over`."""

    def __init__(self):
        self.answers = 0
        self.over = False

    async def run(self, asking, seconds, warm_up):
        """Has the coroutines ask, and prints what bench/client.c prints."""
        tasks = [asyncio.create_task(ask) for ask in asking]
        await asyncio.sleep(warm_up)
        self.answers = 0
        began, run = time.monotonic(), time.process_time_ns()
        await asyncio.sleep(seconds)
        report = {
            "answers": self.answers,
            "seconds": time.monotonic() - began,
            "run_ns": time.process_time_ns() - run,
        }
        self.over = True
        await asyncio.gather(*tasks)
        print(json.dumps(report))
