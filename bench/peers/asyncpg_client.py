"""asyncpg on uvloop asking PostgreSQL for rows as fast as they come.

asyncpg_client.py held|acquire CONCURRENCY SECONDS WARM-UP-SECONDS DSN

The pool has 16 connections. `held`: each is held by one task, which is the most
that can be under way; `acquire`: so many tasks take one for each query.
Prints what bench/client.c prints.
"""
import asyncio
import random
import sys

import asyncpg
import uvloop

from asking import Asking

MODE = sys.argv[1]
CONCURRENCY = int(sys.argv[2])
SECONDS, WARM_UP = float(sys.argv[3]), float(sys.argv[4])
DSN = dict(word.split("=", 1) for word in sys.argv[5].split())
POOL, ROWS = 16, 10000
SQL = "select id, randomnumber from world where id = $1"

counter = Asking()


def random_id():
    return int(random.random() * ROWS) + 1


async def ask_held(pool):
    async with pool.acquire() as connection:
        get = await connection.prepare(SQL)
        while not counter.over:
            row_id = random_id()
            if (await get.fetchrow(row_id))["id"] != row_id:
                sys.exit("another row")
            counter.answers += 1


async def ask_acquire(pool):
    while not counter.over:
        row_id = random_id()
        if (await pool.fetchrow(SQL, row_id))["id"] != row_id:
            sys.exit("another row")
        counter.answers += 1


async def main():
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
    await counter.run((ask(pool) for _ in range(tasks)), SECONDS, WARM_UP)
    await pool.close()


uvloop.install()
asyncio.run(main())
