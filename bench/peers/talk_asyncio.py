"""The page of `talk` with its calls made by aiohttp, in a loop that lasts as
long as the view: what is synchronous can have no other."""
import asyncio

import aiohttp
import flask
from plain import urls

app = flask.Flask(__name__)


async def get(session, url):
    async with session.get(url) as answer:
        return await answer.text()


async def get_all(wanted):
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=connector) as session:
        return await asyncio.gather(*(get(session, url) for url in wanted))


@app.get("/")
def page():
    text = "".join(asyncio.run(get_all(list(urls()))))
    return flask.Response(text, mimetype="text/plain")
