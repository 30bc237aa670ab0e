"""Tornado answering a constant.   tornado_pong.py PORT"""
import asyncio
import sys

from tornado import web


class Hello(web.RequestHandler):
    def get(self):
        self.set_header("Content-Type", "text/plain")
        self.write("Hello, world!\n")


async def main():
    app = web.Application(
        [("/", Hello)], log_function=lambda handler: None
    )
    app.listen(int(sys.argv[1]), "127.0.0.1", backlog=16384)
    await asyncio.Event().wait()


asyncio.run(main())
