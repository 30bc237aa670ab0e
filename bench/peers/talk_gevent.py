"""The page of `talk` with its calls made by greenlets, under gunicorn's worker
for gevent, which replaces what waits in the standard library."""
import flask
import gevent.pool
import requests
from plain import urls

app = flask.Flask(__name__)
session = requests.Session()
session.mount("http://", requests.adapters.HTTPAdapter(pool_maxsize=100))


@app.get("/")
def page():
    wanted = list(urls())
    answers = gevent.pool.Pool(len(wanted)).map(session.get, wanted)
    text = "".join(answer.text for answer in answers)
    return flask.Response(text, mimetype="text/plain")
