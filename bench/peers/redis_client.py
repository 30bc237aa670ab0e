"""redis-py's asyncio client asking Redis for values as fast as they come.

redis_client.py CONCURRENCY SECONDS WARM-UP-SECONDS SOCKET

So many tasks share a pool of as many connections, which is what it needs to
have that much under way. Prints what bench/client.c prints.
"""
import asyncio
import json
import random
import sys
import time

import redis.asyncio
import uvloop

CONCURRENCY = int(sys.argv[1])
SECONDS, WARM_UP = float(sys.argv[2]), float(sys.argv[3])
SOCKET = sys.argv[4]
KEYS = 10000

answers = 0
over = False


async def ask(client):
    global answers
    while not over:
        key = b"key:%012d" % int(random.random() * KEYS)
        if not await client.get(key):
            sys.exit("no value")
        answers += 1


async def main():
    global answers, over
    client = redis.asyncio.Redis(
        unix_socket_path=SOCKET, max_connections=CONCURRENCY
    )
    asking = [asyncio.create_task(ask(client)) for _ in range(CONCURRENCY)]
    await asyncio.sleep(WARM_UP)
    answers = 0
    began, run = time.monotonic(), time.process_time_ns()
    await asyncio.sleep(SECONDS)
    report = {
        "answers": answers,
        "seconds": time.monotonic() - began,
        "run_ns": time.process_time_ns() - run,
    }
    over = True
    await asyncio.gather(*asking)
    await client.close()
    print(json.dumps(report))


uvloop.install()
asyncio.run(main())
