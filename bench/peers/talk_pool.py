"""The page of `talk` with its calls made by a pool of threads.

The pool is the process's, and has a thread for each call of the pages that are
made at once. A thread keeps its connections.
"""
import concurrent.futures
import threading

import flask
import requests
from plain import urls

CALLS_MAX = 4 * 20

app = flask.Flask(__name__)
pool = concurrent.futures.ThreadPoolExecutor(CALLS_MAX)
own = threading.local()


def get(url):
    if not hasattr(own, "session"):
        own.session = requests.Session()
    return own.session.get(url)


@app.get("/")
def page():
    text = "".join(answer.text for answer in pool.map(get, urls()))
    return flask.Response(text, mimetype="text/plain")
