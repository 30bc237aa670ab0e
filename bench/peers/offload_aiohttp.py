"""aiohttp on uvloop, all at once; see batches.py."""
import asyncio

import aiohttp
import uvloop
from batches import COUNT, URL, batches


async def get(session):
    async with session.get(URL) as response:
        return await response.read()


async def main():
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=connector) as session:
        for _ in batches:
            gets = [get(session) for _ in range(COUNT)]
            batches.count(await asyncio.gather(*gets))
        batches.report()


uvloop.install()
asyncio.run(main())
