"""aiohttp on uvloop echoing and broadcasting.   aiohttp_ws.py PORT"""
import sys

import uvloop
from aiohttp import web

ROOM = set()


async def echo(request):
    ws = web.WebSocketResponse(compress=request.path == "/contexts")
    await ws.prepare(request)
    async for message in ws:
        await ws.send_str(message.data)
    return ws


async def broadcast(request):
    ws = web.WebSocketResponse(compress=False)
    await ws.prepare(request)
    ROOM.add(ws)
    try:
        async for message in ws:
            for member in ROOM:
                await member.send_str(message.data)
    finally:
        ROOM.discard(ws)
    return ws


uvloop.install()
app = web.Application()
app.router.add_get("/", echo)
app.router.add_get("/contexts", echo)
app.router.add_get("/broadcast", broadcast)
web.run_app(
    app,
    host="127.0.0.1",
    port=int(sys.argv[1]),
    access_log=None,
    backlog=16384,
    print=None,
)
