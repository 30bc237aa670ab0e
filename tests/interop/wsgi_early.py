"""An application that has used a session of the module `eddy` before there is
a worker: its service is $SERVICE."""
import os

import eddy

session = eddy.Session(os.environ["SERVICE"])
early = session.get("?ms=1").wait(10).status


def app(environ, start_response):
    now = session.get("?ms=1").wait(10).status
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [f"{eddy.counts()['adopted']} {early} {now}\n".encode()]
