"""What test_servers.py runs under gunicorn and uWSGI: a view that makes several
calls at once. It makes one when it is loaded, too, before there are workers."""
import json
import os

import eddy

BACKEND = os.environ["BACKEND"]
FAN = 5

session = eddy.Session(BACKEND, timeout=20)
loaded = session.get("/large?bytes=1").wait().status
# Under way when workers are forked: the parent's.
left_behind = eddy.fetch(BACKEND + "/slow")
print("loaded by", os.getpid(), flush=True)


def application(environ, start_response):
    handles = [session.get(f"/large?bytes={n}") for n in range(1, FAN + 1)]
    handles += [eddy.fetch(BACKEND + "/large?bytes=1", timeout=20)]
    answers = eddy.gather(handles, timeout=20)
    told = {
        "pid": os.getpid(),
        "loaded": loaded,
        "lengths": [len(answer.content) for answer in answers],
        "threads": len(os.listdir("/proc/self/task")),
        "loops": eddy.counts()["running"],
    }
    body = json.dumps(told).encode()
    fields = [
        ("Content-Type", "application/json"),
        ("Content-Length", str(len(body))),
    ]
    start_response("200 OK", fields)
    return [body]
