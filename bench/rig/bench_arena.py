"""The `arena` benchmark: seven tests that every framework knows, over a
PostgreSQL of its own."""
import contextlib
import json
import os
import subprocess

from . import databases, machine, measure, paths, servers, table
from .report import Report
from .rounds import measured, need_built, progress, ratio, start

CONNECTIONS = 64
POOL = 16  # connections to the database, for everybody
QUERIES = 20

# What is asked for, and how many at a time on a connection.
TESTS = {
    "json": ("/json", 1),
    "plaintext": ("/plaintext", 16),
    "db": ("/db", 1),
    "queries": (f"/queries?queries={QUERIES}", 1),
    "fortunes": ("/fortunes", 1),
    "updates": (f"/updates?queries={QUERIES}", 1),
    "cached-queries": (f"/cached-queries?count={QUERIES}", 1),
}

# How many times fewer the processor time of a request than theirs has to be.
BARS = {"aiohttp": 4, "node": 2}


def candidates():
    """Those that serve the seven tests; their backend is the database."""
    return [
        servers.Server(
            "eddy",
            [
                "env",
                *("DATABASE_URL={backend}", f"DATABASE_MAX_CONN={POOL}"),
                *("{build}/examples/arena", "--listen", "127.0.0.1:{port}"),
            ],
            needs=[servers.needs_built("examples/arena")],
            version=machine.eddy_version,
        ),
        servers.python_peer(
            "aiohttp",
            "arena_aiohttp.py",
            ["aiohttp", "asyncpg", "uvloop"],
            "{backend}",
        ),
        servers.node_peer("arena_node.js", "{backend}", module="pg"),
    ]


def seed(database):
    done = subprocess.run(
        [paths.build / "examples" / "arena", "--seed"],
        env={**os.environ, "DATABASE_URL": database},
        capture_output=True,
        text=True,
    )
    if done.returncode:
        raise servers.Failed(f"arena --seed: {done.stderr.strip()[-200:]}")


def check(server):
    """All of them do the same work."""

    def wrong(path, body):
        raise servers.Failed(f"{path} answered {body[:60]!r}")

    for name, (path, _) in TESTS.items():
        body = server.get(path)
        if name == "json":
            right = json.loads(body) == {"message": "Hello, World!"}
        elif name == "plaintext":
            right = body == "Hello, World!"
        elif name == "db":
            right = set(json.loads(body)) == {"id", "randomNumber"}
        elif name == "fortunes":
            right = "&lt;script&gt;" in body and body.count("<tr>") == 14
        else:
            right = len(json.loads(body)) == QUERIES
        if not right:
            wrong(path, body)


def run(options):
    need_built("load")
    report = Report(
        "arena",
        f"arena: seven tests on {CONNECTIONS} keep-alive connections, with"
        f" {POOL} to the database; plaintext comes 16 at a time, queries,"
        f" updates and cached queries are of {QUERIES} rows",
        options,
    )
    database = databases.Postgres()
    if database.missing():
        report.skip("all", database.missing())
        return report
    runs = {test: {} for test in TESTS}
    with contextlib.ExitStack() as stack:
        stack.callback(database.stop)
        progress("starting the database")
        database.start()
        report.data["versions"]["PostgreSQL"] = database.version()
        seed(database.uri)
        running = start(
            stack, candidates(), report, options, check, database.uri
        )
        for number in range(1, options.rounds + 1):
            for test, (path, depth) in TESTS.items():
                measured(
                    running,
                    runs[test],
                    report,
                    f"round {number}/{options.rounds}: {test}",
                    lambda server: measure.load(
                        server,
                        path,
                        connections=CONNECTIONS,
                        depth=depth,
                        seconds=options.seconds,
                        warm_up=options.warm_up,
                    ),
                )
    add_rows(report, runs)
    return report


def add_rows(report, runs):
    report.data["raw"] = runs
    report.columns = [
        *("test", "server", "µs CPU/request", "median", "requests/CPU s"),
        *("× eddy's", "requests/s", "p50 ms", "p99 ms"),
    ]
    for test, by_server in runs.items():
        rows = {
            name: measure.summarize(own) for name, own in by_server.items()
        }
        eddy = rows.get("eddy", {}).get("cpu_us_min")
        for name, row in rows.items():
            add_row(report, test, name, row, eddy)
            doubts = measure.doubts(f"{test}, {name}", by_server[name])
            report.data["doubts"] += doubts
        for peer, times in BARS.items():
            if eddy and peer in rows:
                report.bar(
                    f"{test}: CPU per request",
                    eddy / rows[peer]["cpu_us_min"],
                    1 / times,
                    f" × {peer}'s",
                )


def add_row(report, test, name, row, eddy):
    row = {"test": test, "server": name, **row}
    row["ratio"] = ratio(row["cpu_us_min"], eddy)
    report.data["rows"].append(row)
    report.lines.append(
        [
            test,
            name,
            table.number(row["cpu_us_min"]),
            table.number(row["cpu_us_median"]),
            table.number(1e6 / row["cpu_us_min"], 0),
            table.number(row["ratio"]),
            table.number(row["per_second"], 0),
            table.number(row["p50_ms"]),
            table.number(row["p99_ms"]),
        ]
    )
