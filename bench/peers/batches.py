"""What the clients of `offload` share: batches of fetches, one after the other,
until the time is over, and what they took.

    SCRIPT COUNT SECONDS WARM-UP-SECONDS URL
"""
import json
import os
import sys
import time

COUNT = int(sys.argv[1])
SECONDS, WARM_UP = float(sys.argv[2]), float(sys.argv[3])
URL = sys.argv[4]


class Batches:
    """for _ in batches: fetch COUNT times, and count(bodies)."""

    def __init__(self):
        self.until = time.monotonic() + WARM_UP
        self.warm = False
        self.took = []

    def __iter__(self):
        while True:
            now = time.monotonic()
            if now > self.until:
                if self.warm:
                    return
                self.warm = True
                self.until = now + SECONDS
                self.began, self.run = now, time.process_time_ns()
                self.took = []
            began = time.monotonic()
            yield
            self.took.append(time.monotonic() - began)
            self.ended, self.used = time.monotonic(), time.process_time_ns()

    def count(self, bodies):
        if len(bodies) != COUNT or any(body != b"ok\n" for body in bodies):
            sys.exit("not what the backend answers")

    def report(self):
        print(
            json.dumps(
                {
                    "answers": COUNT * len(self.took),
                    "seconds": self.ended - self.began,
                    "run_ns": self.used - self.run,
                    "batch_ms": [1e3 * took for took in self.took],
                    "threads": len(os.listdir("/proc/self/task")),
                }
            )
        )


batches = Batches()
