"""
overload_load.py - a burst of clients, of which some leave in line.

usage: overload_load.py PORT TARGET STAY LEAVE

prints "200: N 503: N retry: N"

STAY clients ask, then LEAVE more, who close their connections without an
answer as soon as all have asked. `retry` is how many of the 503 have a
Retry-After.
"""

import asyncio
import re
import sys


async def ask(port, target):
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    head = f"GET {target} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
    writer.write(head.encode())
    await writer.drain()
    return reader, writer


async def main(port, target, stay, leave):
    # One after the other: who asks first is first in line.
    staying = [await ask(port, target) for _ in range(stay)]
    leaving = [await ask(port, target) for _ in range(leave)]
    for _, writer in leaving:
        writer.close()
    answers = await asyncio.gather(*(reader.read() for reader, _ in staying))
    for _, writer in staying:
        writer.close()
    statuses = [answer[9:12] for answer in answers]
    retries = [a for a in answers if re.search(rb"\r\nRetry-After: [1-9]", a)]
    print(
        f"200: {statuses.count(b'200')} 503: {statuses.count(b'503')}"
        f" retry: {len(retries)}"
    )


port, target, stay, leave = sys.argv[1:]
asyncio.run(main(int(port), target, int(stay), int(leave)))
