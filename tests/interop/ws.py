"""WebSockets of Python's websockets and aiohttp, against an echo: messages of
many sizes, in fragments, and pings. Prints "OK" when all came back."""

import asyncio
import sys

SIZES = [0, 1, 125, 126, 127, 128, 1000, 65535, 65536, 70000, 1 << 20]


def bodies():
    for size in SIZES:
        yield ("0123456789abcdef" * (size // 16 + 1))[:size]


async def by_websockets(url):
    import websockets

    async with websockets.connect(url, max_size=1 << 24) as ws:
        for text in bodies():
            await ws.send(text)
            assert await ws.recv() == text
            await ws.send(text.encode())
            assert await ws.recv() == text.encode()
        await ws.send(["in ", "frag", "ments"])
        assert await ws.recv() == "in fragments"
        await asyncio.wait_for(await ws.ping(), 10)


async def by_aiohttp(url):
    import aiohttp

    async with aiohttp.ClientSession() as session:
        async with session.ws_connect(url, compress=15,
                                      max_msg_size=1 << 24) as ws:
            for text in bodies():
                await ws.send_str(text)
                assert await ws.receive_str() == text
                await ws.send_bytes(text.encode())
                assert await ws.receive_bytes() == text.encode()
            await ws.close()
            assert ws.close_code == 1000


async def serve_by_aiohttp():
    """One connection, to a client that sends back what it gets."""
    from aiohttp import web

    result = asyncio.get_running_loop().create_future()

    async def handle(request):
        ws = web.WebSocketResponse(max_msg_size=1 << 24)
        await ws.prepare(request)
        for text in bodies():
            await ws.send_str(text)
            assert await ws.receive_str() == text
            await ws.send_bytes(text.encode())
            assert await ws.receive_bytes() == text.encode()
        await ws.close(code=4000)
        result.set_result(None)
        return ws

    app = web.Application()
    app.router.add_get("/", handle)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = site._server.sockets[0].getsockname()[1]
    print(f"listening on http://127.0.0.1:{port}", flush=True)
    await asyncio.wait_for(result, 30)
    await runner.cleanup()


if sys.argv[1] == "server":
    asyncio.run(serve_by_aiohttp())
else:
    asyncio.run({"websockets": by_websockets,
                 "aiohttp": by_aiohttp}[sys.argv[1]](sys.argv[2]))
print("OK")
