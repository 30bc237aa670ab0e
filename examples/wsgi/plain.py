"""A page that calls many services.

plain.py and gathered.py are the same but for two lines: how a call is made, and
what is done with many of them. Any WSGI server runs either; $SERVICES says
where the services are, and compare.py beside them runs it all.
"""
import os

import flask
import requests

SERVICES = os.environ["SERVICES"].split()

app = flask.Flask(__name__)


def urls():
    """Of the services: each waits before it answers."""
    asked = flask.request.args
    page = asked.get("page", 0, int)
    delay = asked.get("ms", 100, int)
    for i in range(asked.get("n", 20, int)):
        service = SERVICES[i % len(SERVICES)]
        yield f"{service}?ms={delay}&call={i + 1}&page={page}"


@app.get("/")
def page():
    answers = [requests.get(url) for url in urls()]
    text = "".join(answer.text for answer in answers)
    return flask.Response(text, mimetype="text/plain")
