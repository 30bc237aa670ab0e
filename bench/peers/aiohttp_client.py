"""aiohttp on uvloop asking a server as fast as it is answered.

aiohttp_client.py CONCURRENCY SECONDS WARM-UP-SECONDS URL

Prints what bench/client.c prints.
"""
import asyncio
import json
import sys
import time

import aiohttp
import uvloop

CONCURRENCY = int(sys.argv[1])
SECONDS, WARM_UP = float(sys.argv[2]), float(sys.argv[3])
URL = sys.argv[4]

answers = 0
over = False


async def ask(session):
    global answers
    while not over:
        async with session.get(URL) as response:
            if response.status != 200 or not await response.read():
                sys.exit("not 200")
        answers += 1


async def main():
    global answers, over
    connector = aiohttp.TCPConnector(limit=0, ssl=False)
    async with aiohttp.ClientSession(connector=connector) as session:
        asking = [asyncio.create_task(ask(session)) for _ in range(CONCURRENCY)]
        await asyncio.sleep(WARM_UP)
        answers = 0
        began, run = time.monotonic(), time.process_time_ns()
        await asyncio.sleep(SECONDS)
        counted = answers
        report = {
            "answers": counted,
            "seconds": time.monotonic() - began,
            "run_ns": time.process_time_ns() - run,
        }
        over = True
        await asyncio.gather(*asking)
    print(json.dumps(report))


uvloop.install()
asyncio.run(main())
