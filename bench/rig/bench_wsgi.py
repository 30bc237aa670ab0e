"""The `wsgi` benchmark: an application in Python under three servers.

Each has one worker with four threads. Connections are kept by those who keep
them, and new for each request where that is what is compared: a uWSGI that
keeps connections keeps a thread for each, so it gets as many as it has threads.
"""
import contextlib

from . import machine, measure, servers, table
from .report import Report
from .rounds import measured, need_built, ratio, start

THREADS = 4
CONNECTIONS = 64
BODY_BYTES = 10240

# What a server is loaded with.
KEPT = {"connections": CONNECTIONS}
FEW = {"connections": THREADS}
FRESH = {"connections": CONNECTIONS, "fresh": True}

GTHREAD_TIMES = 3
UWSGI_TIMES = 1.5


def eddy(name):
    return servers.Server(
        name,
        [
            *("{build}/eddy", "serve", "--wsgi", "wsgi_hello:app"),
            *("--python-path", "{peers}", "--workers", "1"),
            *("--threads", str(THREADS), "--ctl", "none"),
            *("--listen", "127.0.0.1:{port}", "--log", "warn"),
        ],
        needs=[
            servers.needs_built("eddy"),
            servers.needs_built("libeddy-wsgi.so"),
        ],
        version=machine.eddy_version,
    )


def gunicorn(name):
    return servers.Server(
        name,
        [
            *("{python}", "-m", "gunicorn", "--worker-class", "gthread"),
            *("--workers", "1", "--threads", str(THREADS)),
            *("--bind", "127.0.0.1:{port}", "--chdir", "{peers}"),
            *("--keep-alive", "3600", "--log-level", "warning"),
            "wsgi_hello:app",
        ],
        needs=[servers.needs_module("gunicorn")],
        version=lambda: machine.python_module("gunicorn"),
    )


def uwsgi(name, socket="--http-socket"):
    return servers.Server(
        name,
        [
            *("uwsgi", "--plugin", "python3", "--master", "--processes", "1"),
            *("--threads", str(THREADS), socket, "127.0.0.1:{port}"),
            *("--chdir", "{peers}", "--module", "wsgi_hello:app"),
            *("--disable-logging", "--die-on-term", "--need-app"),
        ],
        needs=[servers.needs_program("uwsgi")],
        version=lambda: machine.program_version("uwsgi", "--version"),
    )


# How each is named, made and loaded.
CASES = {
    "eddy": (eddy, KEPT),
    "gunicorn gthread": (gunicorn, KEPT),
    f"eddy, {THREADS} kept": (eddy, FEW),
    f"uwsgi, {THREADS} kept": (
        lambda name: uwsgi(name, "--http11-socket"),
        FEW,
    ),
    "eddy, fresh": (eddy, FRESH),
    "gunicorn, fresh": (gunicorn, FRESH),
    "uwsgi, fresh": (uwsgi, FRESH),
}


def names():
    return ["eddy", "gunicorn", "uwsgi", "eddy,", "uwsgi,", "gunicorn,"]


def check(server):
    if len(server.get("/")) != BODY_BYTES:
        raise servers.Failed(f"answered something else than {BODY_BYTES} bytes")


def run(options):
    need_built("load")
    report = Report(
        "wsgi",
        f"wsgi: a WSGI application that answers {BODY_BYTES >> 10} KiB;"
        f" 1 worker, {THREADS} threads; {CONNECTIONS} connections",
        options,
    )
    runs = {}
    with contextlib.ExitStack() as stack:
        candidates = [make(name) for name, (make, _) in CASES.items()]
        running = start(stack, candidates, report, options, check)
        for number in range(1, options.rounds + 1):
            measured(
                running,
                runs,
                report,
                f"round {number}/{options.rounds}",
                lambda server: measure.load(
                    server,
                    "/",
                    seconds=options.seconds,
                    warm_up=options.warm_up,
                    **CASES[server.name][1],
                ),
            )
    add_rows(report, runs)
    return report


def add_rows(report, runs):
    report.data["raw"] = runs
    report.columns = [
        *("server", "µs CPU/request", "median", "user", "system"),
        *("requests/CPU s", "requests/s", "p50 ms", "p99 ms"),
    ]
    for name, own_runs in runs.items():
        row = {"server": name, **measure.summarize(own_runs)}
        if CASES[name][1] is not FRESH:
            report.data["doubts"] += measure.doubts(name, own_runs)
        report.data["rows"].append(row)
        report.lines.append(
            [
                name,
                table.number(row["cpu_us_min"]),
                table.number(row["cpu_us_median"]),
                table.number(row["user_us"]),
                table.number(row["system_us"]),
                table.number(1e6 / row["cpu_us_min"], 0),
                table.number(row["per_second"], 0),
                table.number(row["p50_ms"]),
                table.number(row["p99_ms"]),
            ]
        )
    add_bars(report)


def best(report, server):
    """The row of a server in which it does best with kept connections."""
    rows = [
        row
        for row in report.data["rows"]
        if row["server"].startswith(server)
        and CASES[row["server"]][1] is not FRESH
    ]
    return min(rows, key=lambda row: row["cpu_us_min"], default=None)


def add_bars(report):
    """Three times a peer's requests are a third of its time for each."""
    pairs = [
        ("kept", best(report, "eddy"), best(report, "gunicorn"), GTHREAD_TIMES),
        ("kept", best(report, "eddy"), best(report, "uwsgi"), UWSGI_TIMES),
        *(
            ("fresh", report.row("eddy, fresh"), report.row(name), times)
            for name, times in (
                ("gunicorn, fresh", GTHREAD_TIMES),
                ("uwsgi, fresh", UWSGI_TIMES),
            )
        ),
    ]
    for how, own, other, times in pairs:
        if not own or not other:
            continue
        value = ratio(own["cpu_us_min"], other["cpu_us_min"])
        unit = f" × {other['server']}"
        limit = round(1 / times, 3)
        report.bar(f"CPU per request, {how} connections", value, limit, unit)
