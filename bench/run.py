#!/usr/bin/env python3
"""Runs one benchmark against its peers and prints what came out.

    bench/run.py pong|pipeline|fanout|idle|fiber|parser
                 [--json] [--rounds N] [--seconds S] [--only a,b] [--quick]

The server under test has processor 0 for itself, the load generator (and the
slow backend of `fanout`) processor 1. Every round measures every server once,
so that a change in the machine's mood meets all of them. README.md beside this
file says what is measured and how.

The report goes to standard output and, with the raw figures of every run, to
build/bench/NAME.txt and NAME.json; `fanout` draws build/bench/fanout.svg too.
"""
import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys
import time

from rig import machine, measure, paths, plot, servers, table

GREETING = "Hello, world!\n"
CONNECTIONS = 64
PIPELINE_DEPTH = 16
IDLE_CONNECTIONS = 10000
FANOUT_CLIENTS = 32
FANOUT_SWEEP = (1, 2, 3, 5, 8, 10, 12, 15, 20)
FANOUT_MS = 10

# Memory that a server gives back, or takes, soon after a burst.
SETTLE_S = 0.5


class Report:
    """What one benchmark has to say, for people and for programs."""

    def __init__(self, name, title, options):
        self.name = name
        self.title = title
        self.data = {
            "benchmark": name,
            "title": title,
            "command": options.command,
            "date": machine.now(),
            "machine": machine.describe(),
            "rounds": options.rounds,
            "seconds": options.seconds,
            "versions": {},
            "rows": [],
            "skipped": {},
            "doubts": [],
            "bars": [],
            "raw": {},
        }
        self.columns = []
        self.lines = []

    def skip(self, name, reason):
        self.data["skipped"][name] = reason

    def bar(self, what, value, limit, unit):
        """States a goal of the project and whether this run met it."""
        self.data["bars"].append(
            {
                "what": what,
                "value": value,
                "limit": limit,
                "unit": unit,
                "met": value <= limit,
            }
        )

    def text(self):
        data = self.data
        parts = [self.title, ""]
        if self.lines:
            parts += [table.render(self.columns, self.lines), ""]
        for bar in data["bars"]:
            verdict = "met" if bar["met"] else "MISSED"
            parts.append(
                f"eddy's bar: {bar['what']} at most {bar['limit']:g}"
                f"{bar['unit']}; measured {bar['value']:.3g}: {verdict}"
            )
        if data["bars"]:
            parts.append("")
        parts += [f"{n}: {why}, skipped" for n, why in data["skipped"].items()]
        parts += [f"careful: {doubt}" for doubt in data["doubts"]]
        parts += self._provenance()
        return "\n".join(parts)

    def _provenance(self):
        data, host = self.data, self.data["machine"]
        versions = [f"{n} {v}" for n, v in data["versions"].items() if v]
        return [
            f"{data['date']}  {data['command']}",
            f"{data['rounds']} rounds of {data['seconds']:g} s, interleaved",
            f"{host['cpu']}, {host['cpus']} processors, Linux "
            f"{host['kernel']}, load at start {host['load_at_start']}",
            *([", ".join(versions)] if versions else []),
        ]

    def publish(self, as_json):
        paths.RESULTS.mkdir(parents=True, exist_ok=True)
        as_text = self.text() + "\n"
        as_object = json.dumps(self.data, indent=2) + "\n"
        (paths.RESULTS / f"{self.name}.txt").write_text(as_text)
        (paths.RESULTS / f"{self.name}.json").write_text(as_object)
        sys.stdout.write(as_object if as_json else as_text)


def progress(words):
    if sys.stderr.isatty():
        print(f"\r\033[K{words}", end="", file=sys.stderr, flush=True)


def need_built(*names):
    for name in names:
        path = paths.build / "bench" / name
        if not path.exists():
            sys.exit(f"bench: {paths.shown(path)} is missing; ./dev build")


def started(candidates, report, options, check, backend=""):
    """Starts what can be started and answers rightly; skips the rest."""
    running = []
    for server in candidates:
        if options.only and server.name not in options.only:
            continue
        reason = server.missing()
        if not reason:
            progress(f"starting {server.name}")
            try:
                server.start(backend)
                check(server)
            except servers.Failed as failure:
                server.stop()
                reason = str(failure)
        if reason:
            report.skip(server.name, reason)
            continue
        report.data["versions"][server.name] = server.version()
        running.append(server)
    return running


def check_greeting(server):
    body = server.get("/")
    if body != GREETING:
        raise servers.Failed(f"answered {body!r} instead of {GREETING!r}")


def check_fanout(server):
    body = server.get("/fanout?n=3")
    if body.count("ok") != 3:
        raise servers.Failed(f"answered {body!r} instead of three bodies")


def ratio(value, base):
    return value / base if value is not None and base else None


def find(report, name):
    return next((r for r in report.data["rows"] if r["server"] == name), None)


# ---- pong and pipeline ----


def request_bench(name, title, depth, options):
    need_built("load", "raw_epoll")
    report = Report(name, title, options)
    running = started(servers.hello_servers(), report, options, check_greeting)
    runs = {server.name: [] for server in running}
    try:
        for number in range(1, options.rounds + 1):
            for server in running:
                progress(f"round {number}/{options.rounds}: {server.name}")
                runs[server.name].append(
                    measure.load(
                        server,
                        "/",
                        connections=CONNECTIONS,
                        depth=depth,
                        seconds=options.seconds,
                        warm_up=options.warm_up,
                    )
                )
    finally:
        for server in running:
            server.stop()
    progress("")
    add_request_rows(report, runs)
    return report


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
        if not row:
            report.skip(name, "answered nothing")
            continue
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
    eddy = find(report, "eddy")
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
    eddy = find(report, "eddy")
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
    backend = servers.slow_backend()
    backend.start(cpu=machine.generator_cpu())
    running = []
    try:
        running = started(
            servers.fanout_servers(),
            report,
            options,
            check_fanout,
            backend.url(f"/?ms={FANOUT_MS}"),
        )
        runs = sweep(running, options)
    finally:
        for server in [*running, backend]:
            server.stop()
    progress("")
    add_fanout_rows(report, runs)
    draw_fanout(report, runs)
    return report


def sweep(running, options):
    """Every N for every server in every round: {name: {N: [run, ...]}}."""
    runs = {s.name: {n: [] for n in FANOUT_SWEEP} for s in running}
    for number in range(1, options.rounds + 1):
        for n in FANOUT_SWEEP:
            for server in running:
                progress(
                    f"round {number}/{options.rounds}: N={n} {server.name}"
                )
                runs[server.name][n].append(
                    measure.load(
                        server,
                        f"/fanout?n={n}",
                        connections=FANOUT_CLIENTS,
                        depth=1,
                        seconds=options.seconds,
                        warm_up=options.warm_up,
                    )
                )
    return runs


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
        if not row:
            report.skip(name, "answered nothing")
            continue
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
    eddy = find(report, "eddy")
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
            progress(f"round {number}/{options.rounds}: {candidate.name}")
            for server in started(
                [candidate], report, options, check_greeting
            ):
                try:
                    run = idle_run(server, options)
                    runs.setdefault(server.name, []).append(run)
                except RuntimeError as error:
                    report.skip(server.name, str(error))
                finally:
                    server.stop()
    progress("")
    add_idle_rows(report, runs)
    return report


def idle_run(server, options):
    # What a server allocates once, it has allocated after some traffic.
    measure.load(
        server,
        "/",
        connections=CONNECTIONS,
        depth=1,
        seconds=options.warm_up,
        warm_up=0,
    )
    time.sleep(SETTLE_S)
    before = server.rss_bytes()
    with measure.Idle(server, "/", IDLE_CONNECTIONS):
        time.sleep(SETTLE_S)
        after = server.rss_bytes()
    return {"rss_before": before, "rss_after": after}


def add_idle_rows(report, runs):
    report.data["raw"] = runs
    report.columns = ["server", "bytes/connection", "median", "MiB before"]
    report.columns.append("MiB with them")
    for name, own_runs in runs.items():
        each = [
            (run["rss_after"] - run["rss_before"]) / IDLE_CONNECTIONS
            for run in own_runs
        ]
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
    eddy = find(report, "eddy")
    if eddy:
        report.bar("a connection", eddy["bytes_median"], 300, " bytes")


# ---- programs that measure themselves ----


def run_program(command):
    """The output of a program on the server's processor, or None."""
    done = subprocess.run(
        [str(word) for word in command],
        stdout=subprocess.PIPE,
        text=True,
        preexec_fn=machine.pinned(machine.SERVER_CPU),
    )
    if done.returncode:
        sys.exit(f"bench: {paths.shown(command[0])} failed")
    return done.stdout


def add_results(report, source, results):
    for result in results:
        report.data["rows"].append({"server": source, **result})
        report.lines.append(
            [
                source,
                result["name"],
                f"{result['value']:,.4g}",
                result["unit"],
            ]
        )
        if "bar" in result:
            report.bar(
                result["name"],
                result["value"],
                result["bar"],
                f" {result['unit']}",
            )


def fiber(options):
    need_built("fiber")
    report = Report("fiber", "fiber: what switching costs", options)
    report.columns = ["", "what", "value", "unit"]
    progress("fiber")
    ours = json.loads(
        run_program([paths.build / "bench" / "fiber", "--json"])
    )
    report.data["versions"]["eddy"] = machine.eddy_version()
    add_results(report, "eddy", ours["results"])
    if not os.path.exists(machine.PYTHON):
        report.skip("python", f"no {machine.PYTHON}")
        return report
    progress("fiber: python")
    theirs = json.loads(
        run_program([machine.PYTHON, paths.PEERS / "switches.py"])
    )
    progress("")
    add_results(report, "python", theirs["results"])
    for name, reason in theirs["skipped"].items():
        report.skip(name, reason)
    for name in ("greenlet", "gevent", "uvloop"):
        report.data["versions"][name] = machine.python_module(name)
    return report


def parser(options):
    need_built("parser")
    report = Report("parser", "parser: reading HTTP/1.1 requests", options)
    report.data["versions"]["eddy"] = machine.eddy_version()
    output = run_program([paths.build / "bench" / "parser"])
    report.data["output"] = output.splitlines()
    report.title += "\n\n" + output.rstrip()
    return report


# name: (function, rounds, seconds)
BENCHMARKS = {
    "pong": (pong, 5, 3),
    "pipeline": (pipeline, 5, 3),
    "fanout": (fanout, 3, 2),
    "idle": (idle, 3, 1),
    "fiber": (fiber, 1, 1),
    "parser": (parser, 1, 1),
}


def parse_arguments():
    arguments = argparse.ArgumentParser(
        description="Measures Eddy beside raw baselines and its peers.",
        epilog="What is measured and how: bench/README.md.",
    )
    arguments.add_argument("name", choices=BENCHMARKS)
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
    _, rounds, seconds = BENCHMARKS[options.name]
    options.rounds = options.rounds or (1 if options.quick else rounds)
    options.seconds = options.seconds or (0.6 if options.quick else seconds)
    options.warm_up = 0.3 if options.quick else 1.0
    options.only = options.only and options.only.split(",")
    options.command = " ".join(["bench/run.py", *sys.argv[1:]])
    if options.rounds < 1 or options.seconds <= 0:
        arguments.error("--rounds and --seconds must be above zero")
    return options


def main():
    options = parse_arguments()
    paths.build = options.build.resolve()
    # Not on the server's processor: the rig itself would disturb it.
    os.sched_setaffinity(0, {machine.generator_cpu()})
    BENCHMARKS[options.name][0](options).publish(options.json)


if __name__ == "__main__":
    main()
