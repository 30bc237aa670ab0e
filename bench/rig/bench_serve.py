"""The `serve` benchmark: services as they are run in production, with one and
with two workers; what telling of its requests costs a server; and how long a
worker is missed that was killed.

As in the talk about asyncio in production: wrk, a route that answers at once
and one that asks a database, connections varied, median and quartiles of many
runs.
"""
import contextlib
import http.server
import json
import os
import statistics
import subprocess
import threading

from . import databases, machine, measure, paths, plot, respawn, servers
from . import table, wrk
from .report import Report
from .rounds import measured, need_built, progress, ratio, start
from .rounds import GREETING

ROUTES = ("/ping", "/db")
CONNECTIONS = (8, 64, 256)
TABLE_CONNECTIONS = 64  # of the rows of the table
WORKERS = (1, 2)

# "2 workers give at least 1.8 times as much, or the same in CPU per request."
# What differs by less than a tenth is the same: the machine varies by that.
TIMES = 1.8
SAME = 1.1
TOLD = 1.1


# ---- the services ----


def eddy(workers, cpus):
    return servers.Server(
        f"eddy {workers}",
        [
            *("{build}/bench/service", "--listen", "127.0.0.1:{port}"),
            *("--workers", str(workers), "--ctl", "none", "--db", "{backend}"),
        ],
        needs=[servers.needs_built("bench/service")],
        version=machine.eddy_version,
        cpus=cpus,
    )


def aiohttp(workers, cpus):
    return servers.Server(
        f"aiohttp {workers}",
        [
            *("{python}", "{peers}/service_aiohttp.py", "{port}"),
            *(str(workers), "{backend}"),
        ],
        needs=[
            servers.needs_module(m) for m in ("aiohttp", "uvloop", "asyncpg")
        ],
        version=lambda: machine.python_module("aiohttp"),
        cpus=cpus,
    )


def gunicorn(workers, cpus):
    modules = ("gunicorn", "gevent", "psycopg2", "psycogreen")
    return servers.Server(
        f"gunicorn {workers}",
        [
            *("env", "DATABASE={backend}", "{python}", "-m", "gunicorn"),
            *("--workers", str(workers), "--worker-class", "gevent"),
            *("--bind", "127.0.0.1:{port}", "--chdir", "{peers}"),
            *("--keep-alive", "3600", "--log-level", "warning"),
            "service_gunicorn:app",
        ],
        needs=[servers.needs_module(m) for m in modules],
        version=lambda: (
            f"{machine.python_module('gunicorn')} with gevent"
            f" {machine.python_module('gevent')}"
        ),
        cpus=cpus,
    )


def node(workers, cpus):
    return servers.Server(
        f"node {workers}",
        [
            *("node", "{peers}/service_node.js", "{port}"),
            *(str(workers), "{backend}"),
        ],
        needs=servers.needs_node("pg"),
        version=lambda: machine.program_version("node", "--version"),
        cpus=cpus,
    )


MAKERS = (eddy, aiohttp, gunicorn, node)


def names():
    return [make(1, None).short_name for make in MAKERS]


def everywhere():
    return set(range(os.cpu_count()))


def workers_of(server):
    return int(server.name.split()[1])


def check(server):
    greeting = server.get("/ping")
    if greeting != GREETING:
        raise servers.Failed(f"/ping answered {greeting[:60]!r}")
    row = json.loads(server.get("/db"))
    if set(row) != {"id", "randomNumber"}:
        raise servers.Failed(f"/db answered {row!r}")


# ---- services, side by side ----


def service_rounds(running, options, report):
    """{(route, connections): {name: [run, ...]}} and {name: [run, ...]}"""
    scaling = {}
    runs = {(route, n): {} for route in ROUTES for n in CONNECTIONS}
    for number in range(1, options.rounds + 1):
        for (route, connections), by_server in runs.items():
            measured(
                running,
                by_server,
                report,
                f"round {number}/{options.rounds}: {route}, {connections}",
                lambda server: wrk.run(
                    server,
                    route,
                    connections,
                    options.seconds,
                    everywhere() if workers_of(server) > 1 else None,
                ),
            )
        measured(
            [server for server in running if server.short_name == "eddy"],
            scaling,
            report,
            f"round {number}/{options.rounds}: scaling",
            lambda server: scaling_run(server, options),
        )
    return runs, scaling


def scaling_run(server, options):
    """As many processors as workers, each with its share of connections and of
    wrk: what two have more is then the server's doing."""
    workers = workers_of(server)
    return wrk.run(
        server,
        "/ping",
        TABLE_CONNECTIONS * workers,
        options.seconds,
        everywhere() if workers > 1 else {machine.SERVER_CPU},
    )


def quartiles(values):
    if len(values) < 2:
        return values[0], values[0], values[0]
    return tuple(statistics.quantiles(values, n=4, method="inclusive"))


def service_row(route, connections, name, runs):
    low, median, high = quartiles([run["per_second"] for run in runs])
    return {
        "route": route,
        "connections": connections,
        "server": name,
        "per_second": median,
        "per_second_quartiles": [low, high],
        "cpu_us_min": min(run["cpu_us"] for run in runs),
        "cpu_us_median": statistics.median(run["cpu_us"] for run in runs),
        "p50_ms": statistics.median(run["p50_ms"] for run in runs),
        "p99_ms": statistics.median(run["p99_ms"] for run in runs),
    }


def add_service_rows(report, runs):
    report.columns = [
        *("route", "server", "workers", "µs CPU/request", "median"),
        *("requests/s", "lower", "upper quartile", "p50 ms", "p99 ms"),
    ]
    for (route, connections), by_server in runs.items():
        for name, own in by_server.items():
            row = service_row(route, connections, name, own)
            report.data["rows"].append(row)
            add_doubts(report, f"{name}, {route}, {connections}", own)
            if connections == TABLE_CONNECTIONS:
                add_service_line(report, row)


def add_service_line(report, row):
    low, high = row["per_second_quartiles"]
    report.lines.append(
        [
            row["route"],
            *row["server"].split(),
            table.number(row["cpu_us_min"]),
            table.number(row["cpu_us_median"]),
            *(table.number(n, 0) for n in (row["per_second"], low, high)),
            table.number(row["p50_ms"]),
            table.number(row["p99_ms"]),
        ]
    )


def add_doubts(report, name, runs):
    wrong = sum(run["not_2xx"] for run in runs)
    errors = {run["errors"] for run in runs if run["errors"]}
    if wrong:
        report.data["doubts"].append(f"{name}: {wrong} answers were not 2xx")
    for error in sorted(errors):
        report.data["doubts"].append(f"{name}: {error}")


def add_scaling(report, runs):
    rows = {}
    lines = []
    for name, own in runs.items():
        row = rows[name] = service_row(
            "/ping", TABLE_CONNECTIONS * int(name.split()[1]), name, own
        )
        low, high = row["per_second_quartiles"]
        lines.append(
            [
                name.split()[1],
                *(table.number(n, 0) for n in (row["per_second"], low, high)),
                table.number(row["cpu_us_min"]),
                table.number(row["cpu_us_median"]),
            ]
        )
        add_doubts(report, f"{name}, scaling", own)
    report.data["scaling"] = rows
    columns = ["eddy's workers", "requests/s", "lower", "upper quartile"]
    columns += ["µs CPU/request", "median"]
    if lines:
        report.title += "\n\n" + table.render(columns, lines)
    if len(rows) == len(WORKERS):
        add_scaling_bar(report, *(rows[f"eddy {n}"] for n in WORKERS))


def add_scaling_bar(report, one, two):
    times = two["per_second"] / one["per_second"]
    if times >= TIMES:
        words = f"one worker's requests (two answer {times:.2f} × as many)"
        report.bar(words, 1 / times, 1 / TIMES, " × two's")
    else:
        cpu = two["cpu_us_min"] / one["cpu_us_min"]
        words = f"two workers' CPU per request ({times:.2f} × the requests)"
        report.bar(words, cpu, SAME, " × one's")


def draw(report):
    """Requests a second over connections, a curve for a server."""
    host = report.data["machine"]
    for route in ROUTES:
        curves = {}
        for row in report.data["rows"]:
            if row.get("route") == route:
                curves.setdefault(row["server"], []).append(row)
        if not curves:
            continue
        path = paths.RESULTS / f"serve_{route[1:]}.svg"
        path.write_text(
            plot.rates_svg(
                f"GET {route}: requests a second",
                f"median and quartiles, 1 and 2 workers, {host['cpu']}, "
                f"{report.data['date'][:10]}",
                [
                    (
                        name,
                        [
                            (
                                row["connections"],
                                row["per_second"],
                                row["per_second_quartiles"],
                            )
                            for row in rows
                        ],
                    )
                    for name, rows in curves.items()
                ],
            )
        )
        report.data.setdefault("plots", []).append(paths.shown(path))


# ---- what telling costs ----


class Sink(http.server.BaseHTTPRequestHandler):
    """Takes traces, and does nothing with them."""

    protocol_version = "HTTP/1.1"

    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, *_):
        pass


@contextlib.contextmanager
def collector():
    sink = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Sink)
    sink.daemon_threads = True
    thread = threading.Thread(target=sink.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{sink.server_address[1]}"
    finally:
        sink.shutdown()
        thread.join()
        sink.server_close()


def telling_servers():
    """A server alone; a worker, whose requests are counted for the metrics;
    and one that traces one in a hundred and logs all."""
    needs = [servers.needs_built("bench/service")]
    served = [
        *("{build}/bench/service", "--listen", "127.0.0.1:{port}"),
        *("--workers", "1", "--ctl", "none"),
    ]
    told = [
        *("--access-log", "{run}/access.log", "--otlp", "{backend}"),
        *("--trace-sample", "1%"),
    ]
    bare = ["{build}/bench/service", "--bare", "{port}"]
    return [
        servers.Server("bare", bare, needs=needs),
        servers.Server("metrics", served, needs=needs),
        servers.Server("all", [*served, *told], needs=needs),
    ]


def check_ping(server):
    if server.get("/ping") != GREETING:
        raise servers.Failed("/ping did not answer with the greeting")


def tell(report, options):
    runs = {}
    # A selection of services is none of these.
    options = type(options)(**{**vars(options), "only": None})
    with contextlib.ExitStack() as stack:
        backend = stack.enter_context(collector())
        running = start(
            stack, telling_servers(), report, options, check_ping, backend
        )
        for number in range(1, options.rounds + 1):
            measured(
                running,
                runs,
                report,
                f"telling, round {number}/{options.rounds}",
                lambda server: measure.load(
                    server,
                    "/ping",
                    connections=TABLE_CONNECTIONS,
                    seconds=options.seconds,
                    warm_up=options.warm_up,
                ),
            )
    log = paths.RUN / "access.log"
    if log.exists():
        log.unlink()
    return runs


def add_telling(report, runs):
    rows = {name: measure.summarize(own) for name, own in runs.items()}
    bare = rows.get("bare", {}).get("cpu_us_min")
    lines = []
    for name, row in rows.items():
        report.data["doubts"] += measure.doubts(name, runs[name])
        times = ratio(row["cpu_us_min"], bare)
        report.data["rows"].append({"telling": name, **row, "ratio": times})
        lines.append(
            [
                name,
                table.number(row["cpu_us_min"]),
                table.number(row["cpu_us_median"]),
                table.number(times),
            ]
        )
        if name == "all" and times:
            words = "CPU of a ping with metrics, traces (1 %) and access log"
            report.bar(words, times, TOLD, " × without")
    columns = ["what is told", "µs CPU/request", "median", "× bare"]
    report.title += "\n\n" + table.render(columns, lines)


# ---- all ----


def run(options):
    need_built("load", "service")
    report = Report(
        "serve",
        f"serve: wrk with {TABLE_CONNECTIONS} connections; two workers share"
        " both processors with wrk, which is niced",
        options,
    )
    told = tell(report, options)
    killed = respawn.run(report, options)
    runs, scaling = {}, {}
    database = databases.Postgres()
    why = database.missing() or servers.needs_program("wrk")()
    if why:
        report.skip("services", why)
    else:
        runs, scaling = run_services(report, options, database)
        add_service_rows(report, runs)
        add_scaling(report, scaling)
        draw(report)
    report.data["raw"] = {
        "telling": told,
        "killed": killed,
        "scaling": scaling,
        "services": {f"{r} {n}": by for (r, n), by in runs.items()},
    }
    add_telling(report, told)
    respawn.add(report, killed)
    return report


def run_services(report, options, database):
    candidates = [
        make(n, None if n == 1 else everywhere())
        for make in MAKERS
        for n in WORKERS
    ]
    with contextlib.ExitStack() as stack:
        stack.callback(database.stop)
        progress("starting the database")
        try:
            database.start()
        except (servers.Failed, subprocess.CalledProcessError) as failure:
            report.skip("services", str(failure))
            return {}, {}
        report.data["versions"]["PostgreSQL"] = database.version()
        running = start(
            stack, candidates, report, options, check, database.uri
        )
        return service_rounds(running, options, report)
