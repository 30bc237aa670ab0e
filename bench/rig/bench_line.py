"""The `line` benchmark: ways to let requests wait for a place, in a model.

No server runs: places, a line and clients are simulated, which shows what an
order does and not what code costs. The ways differ in who is next and how long
one may wait; `eddy` is what src/http/limit.c does.
"""
import collections
import heapq
import random
import statistics

from . import table
from .report import Report

PLACES = 10
STAY = 0.02  # seconds in a place, the mean of an exponential distribution
RATE = PLACES / STAY  # what can be served
QUEUE_LIMIT = 1024
TIMEOUT = 5.0
LEAVES = 3.0  # clients give up after that
STANDING = TIMEOUT / 5
BRISK = TIMEOUT / 10
SPAN = 120.0

# (in order while the line stands, how long who comes waits then)
WAYS = {
    "in order": (True, TIMEOUT),
    "last first": (False, TIMEOUT),
    "brisk": (True, BRISK),
    "eddy": (False, BRISK),
}


def steady(share):
    def arrivals(dice):
        at = 0.0
        while at < SPAN:
            at += dice.expovariate(RATE * share)
            yield at

    return arrivals


def bursts(dice):
    """A third of the load all the time, and 500 at once every ten seconds."""
    extra = [t + 5 for t in range(0, int(SPAN), 10) for _ in range(500)]
    return iter(heapq.merge(steady(0.33)(dice), extra))


LOADS = {
    "0.9": steady(0.9),
    "bursts of 500": bursts,
    "1.2": steady(1.2),
    "2.0": steady(2.0),
}


class Line:
    def __init__(self, in_order, brisk):
        self.in_order, self.brisk = in_order, brisk
        self.waiting = collections.deque()
        self.since = 0.0
        self.shed, self.left = [], 0

    def stands(self, now):
        return bool(self.waiting) and now - self.since >= STANDING

    def join(self, now):
        if len(self.waiting) >= QUEUE_LIMIT:
            self.shed.append(0.0)
            return
        patience = self.brisk if self.stands(now) else TIMEOUT
        if not self.waiting:
            self.since = now
        self.waiting.append((now, now + patience))

    def tidy(self, now):
        """Those go whose time is over. In order, it is the time that one may
        wait now; who was promised more would hold up all behind."""
        most = self.brisk if self.stands(now) else TIMEOUT
        kept = collections.deque()
        for came, until in self.waiting:
            if now - came >= LEAVES and until - came > LEAVES:
                self.left += 1
            elif now >= until:
                self.shed.append(until - came)
            elif now - came > most and self.in_order:
                self.shed.append(now - came)
            else:
                kept.append((came, until))
        self.waiting = kept

    def next(self, now):
        self.tidy(now)
        if not self.waiting:
            return None
        first = self.in_order or not self.stands(now)
        return (self.waiting.popleft() if first else self.waiting.pop())[0]


def simulate(way, load, seed):
    dice = random.Random(seed)
    line = Line(*WAYS[way])
    busy, took = [], []  # when places are free again; latencies

    def serve(now, came):
        stay = dice.expovariate(1 / STAY)
        took.append(now + stay - came)
        heapq.heappush(busy, now + stay)

    for at in LOADS[load](dice):
        while busy and busy[0] <= at:
            now = heapq.heappop(busy)
            came = line.next(now)
            if came is not None:
                serve(now, came)
        if len(busy) < PLACES:
            serve(at, at)
        else:
            line.join(at)
    line.tidy(SPAN + 2 * TIMEOUT)
    return took, line


def quantile(values, share):
    values = sorted(values)
    return values[min(len(values) - 1, int(len(values) * share))]


def run(options):
    report = Report(
        "line",
        f"line: a model of {PLACES} places with stays of {STAY * 1000:.0f} ms;"
        f" waiting {TIMEOUT:.0f} s at most, clients leave after {LEAVES:.0f} s",
        options,
    )
    report.columns = [
        *("load", "way", "served %", "p50 ms", "p99 ms"),
        *("503 after ms", "left %"),
    ]
    for load in LOADS:
        for way in WAYS:
            took, line = simulate(way, load, seed=1)
            total = len(took) + len(line.shed) + line.left
            row = {
                "load": load,
                "way": way,
                "served": 100 * len(took) / total,
                "p50_ms": 1000 * statistics.median(took),
                "p99_ms": 1000 * quantile(took, 0.99),
                "shed_ms": (
                    1000 * statistics.median(line.shed) if line.shed else None
                ),
                "left": 100 * line.left / total,
            }
            report.data["rows"].append(row)
            report.lines.append(
                [load, way]
                + [
                    table.number(row[key], 0 if key.endswith("ms") else 1)
                    for key in ("served", "p50_ms", "p99_ms", "shed_ms", "left")
                ]
            )
    return report
