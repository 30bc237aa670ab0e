"""redis-py's asyncio client asking Redis for values as fast as they come.

redis_client.py CONCURRENCY SECONDS WARM-UP-SECONDS SOCKET

So many tasks share a pool of as many connections, which is what it needs to
have that much under way. Prints what bench/client.c prints.
"""
import asyncio
import random
import sys

import redis.asyncio
import uvloop

from asking import Asking

CONCURRENCY = int(sys.argv[1])
SECONDS, WARM_UP = float(sys.argv[2]), float(sys.argv[3])
SOCKET = sys.argv[4]
KEYS = 10000

counter = Asking()


async def ask(client):
    while not counter.over:
        key = b"key:%012d" % int(random.random() * KEYS)
        if not await client.get(key):
            sys.exit("no value")
        counter.answers += 1


async def main():
    client = redis.asyncio.Redis(
        unix_socket_path=SOCKET, max_connections=CONCURRENCY
    )
    asking = (ask(client) for _ in range(CONCURRENCY))
    await counter.run(asking, SECONDS, WARM_UP)
    await client.close()


uvloop.install()
asyncio.run(main())
