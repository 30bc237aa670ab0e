"""What one switch costs elsewhere: prints {"results": [...]}.

A switch is one direction: the greenlet pair ping-pongs, and a sleep(0) is
one trip through the loop, among two tasks that take turns.
"""
import asyncio
import json
import time

ROUNDS = 200_000


def best_of(measure, tries=5):
    return min(measure() for _ in range(tries))


def greenlet_switch():
    from greenlet import greenlet

    def bounce():
        home = other.parent
        while True:
            home.switch()

    other = greenlet(bounce)
    other.switch()
    start = time.perf_counter_ns()
    for _ in range(ROUNDS):
        other.switch()
    return (time.perf_counter_ns() - start) / (2 * ROUNDS)


def gevent_sleep():
    import gevent

    def sleeper():
        for _ in range(ROUNDS // 10):
            gevent.sleep(0)

    start = time.perf_counter_ns()
    gevent.joinall([gevent.spawn(sleeper), gevent.spawn(sleeper)])
    return (time.perf_counter_ns() - start) / (2 * (ROUNDS // 10))


async def two_sleepers():
    async def sleeper():
        for _ in range(ROUNDS // 10):
            await asyncio.sleep(0)

    start = time.perf_counter_ns()
    await asyncio.gather(sleeper(), sleeper())
    return (time.perf_counter_ns() - start) / (2 * (ROUNDS // 10))


def asyncio_sleep():
    return asyncio.run(two_sleepers())


def uvloop_sleep():
    import uvloop

    loop = uvloop.new_event_loop()
    try:
        return loop.run_until_complete(two_sleepers())
    finally:
        loop.close()


def main():
    cases = [
        ("greenlet switch", greenlet_switch),
        ("uvloop sleep(0)", uvloop_sleep),
        ("asyncio sleep(0)", asyncio_sleep),
        ("gevent sleep(0)", gevent_sleep),
    ]
    results, skipped = [], {}
    for name, measure in cases:
        try:
            results.append(
                {"name": name, "value": best_of(measure), "unit": "ns"}
            )
        except ImportError as error:
            skipped[name] = f"no module {error.name}"
    print(json.dumps({"results": results, "skipped": skipped}))


main()
