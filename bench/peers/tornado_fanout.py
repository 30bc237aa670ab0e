"""Tornado fetching a backend n times at once.

tornado_fanout.py PORT BACKEND-URL

With the client Tornado comes with, which opens a connection for each fetch;
the one that keeps them alive wants pycurl besides.
"""
import asyncio
import sys

from tornado import web
from tornado.httpclient import AsyncHTTPClient

PORT, BACKEND = int(sys.argv[1]), sys.argv[2]


class Fanout(web.RequestHandler):
    async def get(self):
        client = AsyncHTTPClient()
        n = int(self.get_query_argument("n"))
        replies = await asyncio.gather(
            *(client.fetch(BACKEND) for _ in range(n))
        )
        self.set_header("Content-Type", "text/plain")
        self.write(b"".join(reply.body for reply in replies))


async def main():
    AsyncHTTPClient.configure(None, max_clients=10000)
    app = web.Application(
        [("/fanout", Fanout)], log_function=lambda handler: None
    )
    app.listen(PORT, "127.0.0.1")
    await asyncio.Event().wait()


asyncio.run(main())
