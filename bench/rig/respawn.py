"""How long a service is without a worker that was killed: from kill -9 of its
only one to the answer of the next one.

The master keeps the socket, so a client that comes meanwhile is not refused: it
waits, and what it waits is what is measured.
"""
import contextlib
import os
import signal
import socket
import statistics
import time

from . import machine, servers, table
from .rounds import GREETING, measured, start

# Eddy starts the next worker at once unless the last one lived for less than
# 10 s, which would be a program that cannot start.
LIFE_S = 10.5

# "kill -9 of a worker: back to full strength within 100 ms."
FULL_STRENGTH_MS = 100

PATIENCE_S = 10


def candidates():
    """One worker each: a program that is executed anew, and with --preload a
    fork of the master. gunicorn is quick with that alone."""
    return [
        eddy("eddy"),
        eddy("eddy preload", "--preload"),
        gunicorn("gunicorn sync", "sync"),
        gunicorn("gunicorn gevent", "gevent"),
    ]


def eddy(name, *flags):
    return servers.Server(
        name,
        [
            *("{build}/bench/service", "--listen", "127.0.0.1:{port}"),
            *("--workers", "1", "--ctl", "none", *flags),
        ],
        needs=[servers.needs_built("bench/service")],
        version=machine.eddy_version,
    )


def gunicorn(name, kind):
    modules = ("gunicorn", "gevent") if kind == "gevent" else ("gunicorn",)
    return servers.Server(
        name,
        [
            *("{python}", "-m", "gunicorn", "--workers", "1", "--preload"),
            *("--worker-class", kind, "--bind", "127.0.0.1:{port}"),
            *("--chdir", "{peers}", "--log-level", "critical"),
            "ping_gunicorn:app",
        ],
        needs=[servers.needs_module(m) for m in modules],
        version=lambda: machine.python_module("gunicorn"),
    )


def check(server):
    if server.get("/ping") != GREETING:
        raise servers.Failed("/ping did not answer with the greeting")
    worker_of(server)


def worker_of(server):
    workers = server.pids()[1:]
    if len(workers) != 1:
        raise servers.Failed(f"has {len(workers)} workers, not one")
    return workers[0]


def is_alive(pid):
    try:
        with open(f"/proc/{pid}/stat") as f:
            return f.read().rpartition(")")[2].split()[0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False


def asked_once(server):
    """False when the connection was the one of before."""
    request = b"GET /ping HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
    try:
        with socket.create_connection(("127.0.0.1", server.port)) as s:
            s.settimeout(PATIENCE_S)
            s.sendall(request)
            return s.recv(64).startswith(b"HTTP/1.1 200")
    except ConnectionError:
        return False


def death(server):
    worker = worker_of(server)
    began = time.perf_counter()
    os.kill(worker, signal.SIGKILL)
    while is_alive(worker):
        pass
    try:
        while not asked_once(server):
            if time.perf_counter() - began > PATIENCE_S:
                raise servers.Failed("nobody took the place of its worker")
    except TimeoutError as late:
        raise servers.Failed("no worker answered in time") from late
    return {"ms": 1000 * (time.perf_counter() - began)}


def run(report, options):
    """{name: [run, ...]}"""
    runs = {}
    # A selection of services is none of these.
    options = type(options)(**{**vars(options), "only": None})
    with contextlib.ExitStack() as stack:
        running = start(stack, candidates(), report, options, check)
        for number in range(1, options.rounds + 1):
            time.sleep(LIFE_S)
            measured(
                running,
                runs,
                report,
                f"kill -9, round {number}/{options.rounds}",
                death,
            )
    return runs


def add(report, runs):
    lines = []
    for name, own in runs.items():
        times = [one["ms"] for one in own]
        median = statistics.median(times)
        report.data["rows"].append(
            {"killed": name, "ms_min": min(times), "ms_median": median}
        )
        lines.append([name, *map(table.number, (min(times), median))])
        if name == "eddy":
            report.bar(
                "kill -9 of a worker, until the next one answers (median)",
                *(median, FULL_STRENGTH_MS, " ms"),
            )
    columns = ["kill -9 of the only worker", "ms until answered", "median"]
    if lines:
        report.title += "\n\n" + table.render(columns, lines)
