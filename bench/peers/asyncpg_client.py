"""asyncpg on uvloop asking PostgreSQL for rows as fast as they come.

asyncpg_client.py held|acquire CONCURRENCY SECONDS WARM-UP-SECONDS DSN

The pool has 16 connections. `held`: each is held by one task, which is the most
that can be under way; `acquire`: so many tasks take one for each query.
Prints what bench/client.c prints.
"""
import asyncio
import json
import random
import sys
import time

import asyncpg
import uvloop

MODE = sys.argv[1]
CONCURRENCY = int(sys.argv[2])
SECONDS, WARM_UP = float(sys.argv[3]), float(sys.argv[4])
DSN = dict(word.split("=", 1) for word in sys.argv[5].split())
POOL, ROWS = 16, 10000
SQL = "select id, randomnumber from world where id = $1"

answers = 0
over = False


def random_id():
    return int(random.random() * ROWS) + 1


async def ask_held(pool):
    global answers
    async with pool.acquire() as connection:
        get = await connection.prepare(SQL)
        while not over:
            row_id = random_id()
            if (await get.fetchrow(row_id))["id"] != row_id:
                sys.exit("another row")
            answers += 1


async def ask_acquire(pool):
    global answers
    while not over:
        row_id = random_id()
        if (await pool.fetchrow(SQL, row_id))["id"] != row_id:
            sys.exit("another row")
        answers += 1


async def main():
    global answers, over
    pool = await asyncpg.create_pool(
        host=DSN["host"],
        port=int(DSN["port"]),
        user=DSN["user"],
        database=DSN["dbname"],
        min_size=POOL,
        max_size=POOL,
    )
    tasks, ask = (
        (POOL, ask_held) if MODE == "held" else (CONCURRENCY, ask_acquire)
    )
    asking = [asyncio.create_task(ask(pool)) for _ in range(tasks)]
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
    await pool.close()
    print(json.dumps(report))


uvloop.install()
asyncio.run(main())
