"""aiohttp on uvloop fetching a backend n times at once.

aiohttp_fanout.py PORT BACKEND-URL
"""
import asyncio
import sys

import aiohttp
import uvloop
from aiohttp import web

PORT, BACKEND = int(sys.argv[1]), sys.argv[2]


async def with_session(app):
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=connector) as session:
        app["session"] = session
        yield


async def fetch(session):
    async with session.get(BACKEND) as response:
        return await response.text()


async def fanout(request):
    session = request.app["session"]
    n = int(request.query["n"])
    bodies = await asyncio.gather(*(fetch(session) for _ in range(n)))
    return web.Response(text="".join(bodies))


uvloop.install()
app = web.Application()
app.cleanup_ctx.append(with_session)
app.router.add_get("/fanout", fanout)
web.run_app(
    app, host="127.0.0.1", port=PORT, access_log=None, print=None
)
