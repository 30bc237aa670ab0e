"""
overload_load.py - a burst of clients, of which some leave in line.

usage: overload_load.py PORT CTL STAY LEAVE THERE

prints "200: N 503: N retry: N"

STAY clients ask, then LEAVE more, who close their connections without an
answer as soon as all have asked. When so many as THERE are left at the server,
by its own word on the socket CTL, and all others of STAY have been answered, the
file "go" is made for which its handlers wait. `retry` is how many of the 503
have a Retry-After.
"""

import asyncio
import json
import pathlib
import re
import sys


async def ask(port):
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
    await writer.drain()
    return reader, writer


async def at_the_server(ctl):
    """How many requests it has, at work and in line."""
    reader, writer = await asyncio.open_unix_connection(ctl)
    writer.write(b"GET /v1/workers HTTP/1.1\r\nHost: a\r\n"
                 b"Connection: close\r\n\r\n")
    answer = await reader.read()
    writer.close()
    worker, = json.loads(answer.partition(b"\r\n\r\n")[2])["workers"]
    return worker["in_flight"] + worker["queued"]


async def main(port, ctl, stay, leave, there):
    # One after the other: who asks first is first in line.
    staying = [await ask(port) for _ in range(stay)]
    leaving = [await ask(port) for _ in range(leave)]
    for _, writer in leaving:
        writer.close()
    answers = [asyncio.ensure_future(reader.read()) for reader, _ in staying]
    while (sum(a.done() for a in answers) < stay - there
           or await at_the_server(ctl) != there):
        await asyncio.sleep(0.05)
    pathlib.Path("go").touch()
    answers = await asyncio.gather(*answers)
    for _, writer in staying:
        writer.close()
    statuses = [answer[9:12] for answer in answers]
    retries = [a for a in answers if re.search(rb"\r\nRetry-After: [1-9]", a)]
    print(
        f"200: {statuses.count(b'200')} 503: {statuses.count(b'503')}"
        f" retry: {len(retries)}"
    )


port, ctl, *counts = sys.argv[1:]
asyncio.run(main(int(port), ctl, *map(int, counts)))
