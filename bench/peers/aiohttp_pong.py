"""aiohttp on uvloop answering a constant.   aiohttp_pong.py PORT"""
import sys

import uvloop
from aiohttp import web


async def hello(request):
    return web.Response(text="Hello, world!\n")


uvloop.install()
app = web.Application()
app.router.add_get("/", hello)
web.run_app(
    app,
    host="127.0.0.1",
    port=int(sys.argv[1]),
    access_log=None,
    backlog=16384,
    keepalive_timeout=3600,
    print=None,
)
