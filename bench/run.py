#!/usr/bin/env python3
"""Runs benchmarks against their peers and prints what came out.

    bench/run.py [pong|pipeline|fanout|idle|tls|ws|static|client|pg|redis|
                  arena|serve|wsgi|offload|talk|accept|fiber|patch|parser|json|
                  line]... [--json] [--rounds N] [--seconds S] [--only a,b]
                 [--quick]

The server under test has processor 0 for itself, the load generator (and the
slow backend of `fanout`) processor 1. Every round measures every server once,
so that a change in the machine's mood meets all of them. README.md beside this
file says what is measured and how.

The report goes to standard output and, with the raw figures of every run, to
build/bench/NAME.txt and NAME.json; `fanout`, `serve` and `talk` draw plots
there, too.
"""
import argparse
import contextlib
import json
import os
import pathlib
import shlex
import signal
import statistics
import subprocess
import sys

from rig import bench_arena, bench_client, bench_databases, bench_line
from rig import bench_offload, bench_serve, bench_static, bench_talk
from rig import bench_tls, bench_ws, bench_wsgi
from rig import machine, measure, paths, plot, servers, table
from rig.report import Report
from rig.rounds import check_greeting, measured, need_built, progress
from rig.rounds import ratio, start

CONNECTIONS = 64
PIPELINE_DEPTH = 16
IDLE_CONNECTIONS = 10000
FANOUT_CLIENTS = 32
FANOUT_SWEEP = (1, 2, 3, 5, 8, 10, 12, 15, 20)
FANOUT_MS = 10


def check_fanout(server):
    body = server.get("/fanout?n=3")
    if body.count("ok") != 3:
        raise servers.Failed(f"answered {body[:60]!r}, not three bodies")


# ---- pong and pipeline ----


def request_bench(name, title, depth, options):
    need_built("load", "raw_epoll")
    report = Report(name, title, options)
    with contextlib.ExitStack() as stack:
        running = start(
            stack, servers.hello_servers(), report, options, check_greeting
        )
        runs = request_rounds(running, depth, report, options)
    add_request_rows(report, runs)
    return report


def request_rounds(running, depth, report, options):
    runs = {}
    for number in range(1, options.rounds + 1):
        measured(
            running,
            runs,
            report,
            f"round {number}/{options.rounds}",
            lambda server: measure.load(
                server,
                "/",
                connections=CONNECTIONS,
                depth=depth,
                seconds=options.seconds,
                warm_up=options.warm_up,
            ),
        )
    return runs


def add_request_rows(report, runs):
    report.data["raw"] = runs
    report.columns = [
        *("server", "µs CPU/request", "median", "user", "system", "× raw"),
        *("requests/s", "p50 ms", "p99 ms"),
    ]
    raw = None
    for name, own_runs in runs.items():
        row = measure.summarize(own_runs)
        report.data["doubts"] += measure.doubts(name, own_runs)
        if name == "raw epoll":
            raw = row["cpu_us_min"]
        row = {
            "server": name,
            **row,
            "ratio": ratio(row["cpu_us_min"], raw),
        }
        report.data["rows"].append(row)
        report.lines.append(
            [
                name,
                table.number(row["cpu_us_min"]),
                table.number(row["cpu_us_median"]),
                table.number(row["user_us"]),
                table.number(row["system_us"]),
                table.number(row["ratio"]),
                table.number(row["per_second"], 0),
                table.number(row["p50_ms"]),
                table.number(row["p99_ms"]),
            ]
        )


def pong(options):
    report = request_bench(
        "pong",
        f"pong: GET / on {CONNECTIONS} keep-alive connections",
        1,
        options,
    )
    eddy = report.row("eddy")
    if eddy and eddy["ratio"]:
        report.bar("CPU per request", eddy["ratio"], 1.10, " × raw epoll")
    if eddy:
        report.bar("user mode", eddy["user_us"], 0.4, " µs")
    return report


def pipeline(options):
    report = request_bench(
        "pipeline",
        f"pipeline: GET / on {CONNECTIONS} keep-alive connections, "
        f"{PIPELINE_DEPTH} requests at a time",
        PIPELINE_DEPTH,
        options,
    )
    eddy = report.row("eddy")
    if eddy:
        report.bar("CPU per request", eddy["cpu_us_min"], 0.5, " µs")
    return report


# ---- fanout ----


def fanout(options):
    need_built("load", "raw_front", "slow_backend")
    report = Report(
        "fanout",
        f"fanout: one request makes N of {FANOUT_MS} ms at once, "
        f"{FANOUT_CLIENTS} clients; the table is N = {FANOUT_SWEEP[-1]}",
        options,
    )
    with contextlib.ExitStack() as stack:
        backend = servers.slow_backend()
        stack.callback(backend.stop)
        backend.start(cpu=machine.generator_cpu())
        running = start(
            stack,
            servers.fanout_servers(),
            report,
            options,
            check_fanout,
            backend.url(f"/?ms={FANOUT_MS}"),
        )
        runs = sweep(running, report, options)
    add_fanout_rows(report, runs)
    draw_fanout(report, runs)
    return report


def sweep(running, report, options):
    """Every N for every server in every round: {name: {N: [run, ...]}}."""
    pairs = {}
    for number in range(1, options.rounds + 1):
        for n in FANOUT_SWEEP:
            measured(
                running,
                pairs,
                report,
                f"round {number}/{options.rounds}: N={n}",
                lambda server: (n, fanout_run(server, n, options)),
            )
    return {
        name: {n: [run for m, run in own if m == n] for n in FANOUT_SWEEP}
        for name, own in pairs.items()
    }


def fanout_run(server, n, options):
    return measure.load(
        server,
        f"/fanout?n={n}",
        connections=FANOUT_CLIENTS,
        depth=1,
        seconds=options.seconds,
        warm_up=options.warm_up,
    )


def add_fanout_rows(report, runs):
    report.data["raw"] = runs
    report.columns = [
        *("server", "µs CPU/fetch", "median", "user", "system", "× raw"),
        *("requests/s", "p50 ms", "p90 ms", "p99 ms"),
    ]
    raw = None
    for name, by_n in runs.items():
        n = FANOUT_SWEEP[-1]
        row = measure.summarize(by_n[n], units_per_answer=n)
        report.data["doubts"] += measure.doubts(name, by_n[n])
        if name == "raw front":
            raw = row["cpu_us_min"]
        row = {
            "server": name,
            **row,
            "ratio": ratio(row["cpu_us_min"], raw),
            "p50_ms_by_n": {
                n: measure.median_ms(by_n[n], "p50_us") for n in by_n
            },
        }
        report.data["rows"].append(row)
        report.lines.append(
            [
                name,
                table.number(row["cpu_us_min"]),
                table.number(row["cpu_us_median"]),
                table.number(row["user_us"]),
                table.number(row["system_us"]),
                table.number(row["ratio"]),
                table.number(row["per_second"], 0),
                table.number(row["p50_ms"], 1),
                table.number(row["p90_ms"], 1),
                table.number(row["p99_ms"], 1),
            ]
        )
    eddy = report.row("eddy")
    if eddy and eddy["ratio"]:
        report.bar("CPU per fetch", eddy["ratio"], 1.3, " × the raw front")
    if eddy:
        report.bar("p50", eddy["p50_ms"], 11, " ms")


def draw_fanout(report, runs):
    curves = [
        (row["server"], list(row["p50_ms_by_n"].items()))
        for row in report.data["rows"]
    ]
    if not curves:
        return
    host = report.data["machine"]
    subtitle = (
        f"median latency, {FANOUT_CLIENTS} clients, the server on one core "
        f"of {host['cpu']}, {report.data['date'][:10]}"
    )
    svg = plot.fanout_svg(curves, FANOUT_MS, subtitle)
    path = paths.RESULTS / "fanout.svg"
    path.write_text(svg)
    report.data["plot"] = paths.shown(path)


# ---- idle ----


def idle(options):
    need_built("load", "raw_epoll")
    report = Report(
        "idle",
        f"idle: memory of {IDLE_CONNECTIONS:,} keep-alive connections, "
        "each answered once",
        options,
    )
    runs = {}
    for number in range(1, options.rounds + 1):
        for candidate in servers.hello_servers():
            if candidate.name in report.data["skipped"]:
                continue
            # A fresh process each time: memory remembers earlier rounds.
            with contextlib.ExitStack() as stack:
                measured(
                    start(stack, [candidate], report, options, check_greeting),
                    runs,
                    report,
                    f"round {number}/{options.rounds}",
                    lambda server: measure.idle(
                        server, IDLE_CONNECTIONS, options.warm_up
                    ),
                )
    add_idle_rows(report, runs)
    return report


def add_idle_rows(report, runs):
    report.data["raw"] = runs
    report.columns = ["server", "bytes/connection", "median", "MiB before"]
    report.columns.append("MiB with them")
    for name, own_runs in runs.items():
        each = [run["bytes_each"] for run in own_runs]
        row = {
            "server": name,
            "bytes_min": min(each),
            "bytes_median": statistics.median(each),
            "rss_before": statistics.median(r["rss_before"] for r in own_runs),
            "rss_after": statistics.median(r["rss_after"] for r in own_runs),
        }
        report.data["rows"].append(row)
        report.lines.append(
            [
                name,
                table.number(row["bytes_min"], 0),
                table.number(row["bytes_median"], 0),
                table.number(row["rss_before"] / 2**20, 1),
                table.number(row["rss_after"] / 2**20, 1),
            ]
        )
    eddy = report.row("eddy")
    if eddy:
        report.bar("a connection", eddy["bytes_median"], 300, " bytes")


# ---- programs that measure themselves ----


def run_program(command):
    """The JSON object a program prints, run on the server's processor."""
    done = subprocess.run(
        [str(word) for word in command],
        stdout=subprocess.PIPE,
        text=True,
        preexec_fn=machine.pinned(machine.SERVER_CPU),
    )
    if done.returncode:
        sys.exit(f"bench: {paths.shown(command[0])} failed")
    return json.loads(done.stdout)


def own_results(report, name):
    """What one of our programs measured; nothing if it is not built."""
    path = paths.build / "bench" / name
    if not path.exists():
        report.skip("eddy", f"{paths.shown(path)} is not built")
        return []
    progress(name)
    results = run_program([path, "--json"])["results"]
    report.data["versions"]["eddy"] = machine.eddy_version()
    return results


def fiber(options):
    report = Report("fiber", "fiber: what switching costs", options)
    report.columns = ["", "of", "unit", "value"]
    add_costs(report, "eddy", own_results(report, "fiber"))
    if not os.path.exists(machine.PYTHON):
        report.skip("python", f"no {machine.PYTHON}")
        return report
    progress("fiber: python")
    theirs = run_program([machine.PYTHON, paths.PEERS / "switches.py"])
    add_costs(report, "python", theirs["results"])
    for name, reason in theirs["skipped"].items():
        report.skip(name, reason)
    for name in ("greenlet", "gevent", "uvloop"):
        report.data["versions"][name] = machine.python_module(name)
    return report


def patch(options):
    report = Report("patch", "patch: what it costs where it changes nothing",
                    options)
    report.columns = ["", "of", "unit", "value"]
    add_costs(report, "eddy", own_results(report, "patch"))
    return report


def add_costs(report, source, results):
    for cost in results:
        report.data["rows"].append({"server": source, **cost})
        value = f"{cost['value']:,.4g}"
        report.lines.append([cost["name"], source, cost["unit"], value])
        if "bar" in cost:
            unit = f" {cost['unit']}"
            report.bar(cost["name"], cost["value"], cost["bar"], unit)


def parser(options):
    report = Report("parser", "parser: reading HTTP/1.1 heads", options)
    rows = own_results(report, "parser")
    report.data["rows"] = rows
    if rows:
        report.columns = [key.replace("_", " ") for key in rows[0]]
        report.lines = [[cell(v) for v in row.values()] for row in rows]
    return report


def accept(options):
    report = Report("accept", "accept: connections to 4 workers", options)
    rows = own_results(report, "accept")
    report.data["rows"] = rows
    report.columns = ["load", "way", "most", "least", "requests, most"]
    report.columns += ["1st p50 ms", "p99", "later p50 ms", "p99"]
    report.columns += ["µs CPU", "lost", "of"]
    report.lines = [[cell(v) for v in row.values()] for row in rows]
    return report


def json_writer(options):
    report = Report("json", "json: writing JSON, beside jansson", options)
    for row in own_results(report, "json"):
        report.data["rows"].append(row)
        cells = ("sample", "bytes", "ns", "jansson_ns", "ratio")
        report.lines.append([cell(row[key]) for key in cells])
        if "bar" in row:
            what, unit = row["sample"], " × jansson's time"
            report.bar(what, row["ratio"], row["bar"], unit)
    report.columns = ["sample", "bytes", "ns", "jansson ns", "× jansson"]
    return report


def cell(value):
    return value if isinstance(value, str) else f"{value:,.4g}"


# name: (function, rounds, seconds of a run). Many short rounds: a machine's
# slow phases last seconds, and the minimum wants one round that missed them.
# accept, fiber, patch, parser and json know themselves how often and how long to run.
BENCHMARKS = {
    "pong": (pong, 10, 1.5),
    "pipeline": (pipeline, 10, 1.5),
    "fanout": (fanout, 5, 1),
    "idle": (idle, 3, 1),
    "tls": (bench_tls.run, 6, 1),
    "ws": (bench_ws.run, 6, 1),
    "static": (bench_static.run, 8, 1),
    "client": (bench_client.run, 6, 1.5),
    "pg": (bench_databases.pg, 6, 2),
    "redis": (bench_databases.redis, 6, 2),
    "arena": (bench_arena.run, 6, 1),
    "serve": (bench_serve.run, 10, 1),
    "wsgi": (bench_wsgi.run, 10, 1),
    "offload": (bench_offload.run, 6, 2),
    "talk": (bench_talk.run, 5, 1),
    "accept": (accept, None, None),
    "fiber": (fiber, None, None),
    "patch": (patch, None, None),
    "parser": (parser, None, None),
    "json": (json_writer, None, None),
    "line": (bench_line.run, None, None),
}


def parse_arguments():
    arguments = argparse.ArgumentParser(
        description="Measures Eddy beside raw baselines and its peers.",
        epilog="What is measured and how: bench/README.md.",
    )
    arguments.add_argument(
        "names",
        nargs="*",
        metavar="NAME",
        help=f"{', '.join(BENCHMARKS)}; without a name, all of them",
    )
    arguments.add_argument("--json", action="store_true", help="one object")
    arguments.add_argument("--rounds", type=int, metavar="N")
    arguments.add_argument("--seconds", type=float, metavar="S", help="a run")
    arguments.add_argument("--only", metavar="A,B", help="these servers")
    arguments.add_argument(
        "--quick", action="store_true", help="one short round, for a look"
    )
    arguments.add_argument(
        "--build", type=pathlib.Path, metavar="DIR", default=paths.build
    )
    options = arguments.parse_args()
    for name in options.names:
        if name not in BENCHMARKS:
            arguments.error(
                f"no benchmark '{name}'; there are {', '.join(BENCHMARKS)}"
            )
    if options.rounds is not None and options.rounds < 1:
        arguments.error("--rounds must be at least 1")
    if options.seconds is not None and options.seconds <= 0:
        arguments.error("--seconds must be above zero")
    options.only = options.only and options.only.split(",")
    known = [
        *servers.names(),
        *(c.short_name for c in bench_client.clients()),
        *bench_databases.names(),
        *bench_serve.names(),
        *bench_wsgi.names(),
        *bench_talk.names(),
    ]
    for name in options.only or []:
        if name not in known:
            arguments.error(f"no server '{name}'; there are {', '.join(known)}")
    options.command = shlex.join(["bench/run.py", *sys.argv[1:]])
    return options


def run(name, options):
    """Runs one benchmark, with its own ideas where the user has none."""
    function, rounds, seconds = BENCHMARKS[name]
    options = argparse.Namespace(**vars(options))
    if rounds:
        options.rounds = options.rounds or (1 if options.quick else rounds)
        usual = 0.6 if options.quick else seconds
        options.seconds = options.seconds or usual
        options.warm_up = 0.3 if options.quick else 0.5
    else:
        options.rounds = options.seconds = None
    report = function(options)
    progress("")
    return report


def main():
    options = parse_arguments()
    paths.build = options.build.resolve()
    # Not on the server's processor: the rig itself would disturb it.
    os.sched_setaffinity(0, {machine.generator_cpu()})
    # Ended from outside, it still stops the servers it started.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    names = options.names or list(BENCHMARKS)
    objects = {}
    for name in names:
        report = run(name, options)
        report.save()
        objects[name] = report.data
        if not options.json:
            print(report.text(), end="\n\n" if name != names[-1] else "\n")
    if options.json:
        print(json.dumps(objects if len(names) > 1 else report.data, indent=2))


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(130)
    except servers.Failed as failure:
        sys.exit(f"bench: {failure}")
