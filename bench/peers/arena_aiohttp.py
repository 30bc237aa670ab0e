"""The seven classic tests in aiohttp with asyncpg.

arena_aiohttp.py PORT DATABASE-URL
"""
import asyncio
import html
import json
import random
import sys

import asyncpg
import uvloop
from aiohttp import web

PORT, DATABASE = int(sys.argv[1]), sys.argv[2]
POOL = 16
WORLDS = 10000
QUERIES_MAX = 500

# asyncpg prepares a statement once on each connection, and knows it by its
# text.
WORLD = "select randomnumber from world where id = $1"
ALL_WORLDS = "select id, randomnumber from world"
FORTUNES = "select id, message from fortune"
UPDATE = """update world w set randomnumber = v.number
            from unnest($1::int[], $2::int[]) as v (id, number)
            where w.id = v.id"""

try:
    from ujson import dumps
except ImportError:
    dumps = json.dumps


def reply(value):
    return web.Response(
        body=dumps(value).encode(), content_type="application/json"
    )


def any_world():
    return random.randint(1, WORLDS)


def number(request, name):
    try:
        return min(max(int(request.query[name]), 1), QUERIES_MAX)
    except (KeyError, ValueError):
        return 1


async def plaintext(request):
    return web.Response(body=b"Hello, World!", content_type="text/plain")


async def hello_json(request):
    return reply({"message": "Hello, World!"})


async def find_worlds(connection, ids):
    """One query each, on one connection: taking one from the pool for each,
    to run them at once, costs two and a half times as much."""
    statement = await connection.prepare(WORLD)
    return [
        {"id": id, "randomNumber": await statement.fetchval(id)} for id in ids
    ]


async def one_world(request):
    id = any_world()
    async with request.app["pool"].acquire() as connection:
        found = await connection.fetchval(WORLD, id)
    return reply({"id": id, "randomNumber": found})


async def many_worlds(request):
    ids = [any_world() for _ in range(number(request, "queries"))]
    async with request.app["pool"].acquire() as connection:
        worlds = await find_worlds(connection, ids)
    return reply(worlds)


async def updates(request):
    ids = sorted(any_world() for _ in range(number(request, "queries")))
    async with request.app["pool"].acquire() as connection:
        worlds = await find_worlds(connection, ids)
        fresh = {id: any_world() for id in ids}
        for world in worlds:
            world["randomNumber"] = fresh[world["id"]]
        await connection.execute(UPDATE, list(fresh), list(fresh.values()))
    return reply(worlds)


async def fortunes(request):
    async with request.app["pool"].acquire() as connection:
        rows = [tuple(row) for row in await connection.fetch(FORTUNES)]
    rows.append((0, "Additional fortune added at request time."))
    rows.sort(key=lambda row: row[1])
    table = "".join(
        f"<tr><td>{id}</td><td>{html.escape(message)}</td></tr>"
        for id, message in rows
    )
    return web.Response(
        body=(
            "<!DOCTYPE html><html><head><title>Fortunes</title></head><body>"
            "<table><tr><th>id</th><th>message</th></tr>"
            f"{table}</table></body></html>"
        ).encode(),
        content_type="text/html",
        charset="utf-8",
    )


async def cached_worlds(request):
    cache = request.app["cache"]
    if not cache:
        async with request.app["pool"].acquire() as connection:
            cache.update(await connection.fetch(ALL_WORLDS))
    ids = [any_world() for _ in range(number(request, "count"))]
    return reply([{"id": id, "randomNumber": cache[id]} for id in ids])


async def with_pool(app):
    app["cache"] = {}
    async with asyncpg.create_pool(
        DATABASE, min_size=POOL, max_size=POOL
    ) as pool:
        app["pool"] = pool
        yield


uvloop.install()
app = web.Application()
app.cleanup_ctx.append(with_pool)
app.router.add_get("/plaintext", plaintext)
app.router.add_get("/json", hello_json)
app.router.add_get("/db", one_world)
app.router.add_get("/queries", many_worlds)
app.router.add_get("/fortunes", fortunes)
app.router.add_get("/updates", updates)
app.router.add_get("/cached-queries", cached_worlds)
web.run_app(
    app,
    host="127.0.0.1",
    port=PORT,
    access_log=None,
    print=None,
    loop=asyncio.new_event_loop(),
)
