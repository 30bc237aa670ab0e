"""aiohttp on uvloop with asyncpg: GET /ping and GET /db, in so many processes
on one port.

service_aiohttp.py PORT WORKERS DATABASE-URL
"""
import multiprocessing
import random
import sys

import asyncpg
import uvloop
from aiohttp import web

PORT, WORKERS, DATABASE = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
POOL = 8
WORLDS = 10000
QUERY = "select randomnumber from world where id = $1"


async def ping(request):
    return web.Response(text="Hello, world!\n")


async def row(request):
    id = random.randint(1, WORLDS)
    async with request.app["db"].acquire() as connection:
        number = await connection.fetchval(QUERY, id)
    return web.json_response({"id": id, "randomNumber": number})


async def open_database(app):
    app["db"] = await asyncpg.create_pool(
        DATABASE, min_size=POOL, max_size=POOL
    )
    yield
    await app["db"].close()


def serve():
    uvloop.install()
    app = web.Application()
    app.cleanup_ctx.append(open_database)
    app.router.add_get("/ping", ping)
    app.router.add_get("/db", row)
    web.run_app(
        app,
        host="127.0.0.1",
        port=PORT,
        access_log=None,
        backlog=16384,
        keepalive_timeout=3600,
        reuse_port=True,
        print=None,
    )


# Daemons go when the one that is told to does.
for _ in range(WORKERS - 1):
    multiprocessing.Process(target=serve, daemon=True).start()
serve()
