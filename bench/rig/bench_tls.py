"""The `tls` benchmark: handshakes, requests, bulk and idle connections."""
import contextlib
import statistics
import subprocess

from . import measure, paths, servers, table
from .report import Report
from .rounds import check_greeting, measured, need_built, ratio, start

CONNECTIONS = 64
BULK_CONNECTIONS = 4
BULK_BYTES = 16 * 2**20
IDLE_CONNECTIONS = 10000

# What is measured, and what one load run of it is.
KINDS = {
    "handshake": {"path": "/", "connections": CONNECTIONS, "fresh": True},
    "request": {"path": "/", "connections": CONNECTIONS},
    "bulk": {"path": "/bulk", "connections": BULK_CONNECTIONS},
}


def make_files():
    """A certificate with a P-256 key, as sites have them, and a large file."""
    paths.RUN.mkdir(parents=True, exist_ok=True)
    bulk = paths.RUN / "bulk.bin"
    if not bulk.exists() or bulk.stat().st_size != BULK_BYTES:
        bulk.write_bytes(b"0123456789abcdef" * (BULK_BYTES // 16))
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "ec", "-nodes"),
            *("-pkeyopt", "ec_paramgen_curve:P-256", "-days", "2"),
            *("-subj", "/CN=localhost"),
            *("-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"),
            *("-keyout", servers.tls_key(), "-out", servers.tls_cert()),
        ],
        check=True,
        stderr=subprocess.DEVNULL,
    )


def run(options):
    need_built("load")
    make_files()
    report = Report(
        "tls",
        f"tls: TLS 1.3, a P-256 key; {CONNECTIONS} connections that handshake"
        f" anew for each request, or are kept; {BULK_CONNECTIONS} that fetch"
        f" {BULK_BYTES >> 20} MiB; {IDLE_CONNECTIONS:,} idle ones",
        options,
    )
    runs = {kind: {} for kind in [*KINDS, "idle"]}
    with contextlib.ExitStack() as stack:
        running = start(
            stack, servers.tls_servers(), report, options, check_greeting
        )
        for number in range(1, options.rounds + 1):
            for kind, what in KINDS.items():
                measured(
                    running,
                    runs[kind],
                    report,
                    f"round {number}/{options.rounds}: {kind}",
                    lambda server: measure.load(
                        server,
                        depth=1,
                        seconds=options.seconds,
                        warm_up=options.warm_up,
                        **what,
                    ),
                )
    for candidate in servers.tls_servers():
        # A fresh process: memory remembers what came before.
        with contextlib.ExitStack() as stack:
            measured(
                start(stack, [candidate], report, options, check_greeting),
                runs["idle"],
                report,
                "idle",
                lambda server: measure.idle(
                    server, IDLE_CONNECTIONS, options.warm_up
                ),
            )
    add_rows(report, runs)
    return report


def cpu_ns(run):
    return run["server_run_ns"] / run["answers"]


def figures(runs, name):
    """The figures of one server: the least of each over the rounds."""

    def least(kind, figure):
        return min(map(figure, runs[kind].get(name, [])), default=None)

    def middle(kind, figure):
        own = runs[kind].get(name, [])
        return statistics.median(map(figure, own)) if own else None

    bulk = least("bulk", cpu_ns)
    return {
        "server": name,
        "handshake_us": us(least("handshake", cpu_ns)),
        "handshake_us_median": us(middle("handshake", cpu_ns)),
        "request_us": us(least("request", cpu_ns)),
        "request_us_median": us(middle("request", cpu_ns)),
        # Bytes in nanoseconds are gigabytes in seconds.
        "bulk_gb_per_cpu_s": bulk and BULK_BYTES / bulk,
        "idle_bytes": least("idle", lambda run: run["bytes_each"]),
    }


def us(ns):
    return ns and ns / 1e3


def add_rows(report, runs):
    report.data["raw"] = runs
    report.columns = [
        *("server", "µs CPU/handshake", "median", "µs CPU/request", "median"),
        *("GB per CPU s", "bytes/idle conn"),
    ]
    names = list(dict.fromkeys(n for kind in runs.values() for n in kind))
    for name in names:
        row = figures(runs, name)
        report.data["rows"].append(row)
        report.lines.append(
            [
                name,
                table.number(row["handshake_us"], 1),
                table.number(row["handshake_us_median"], 1),
                table.number(row["request_us"]),
                table.number(row["request_us_median"]),
                table.number(row["bulk_gb_per_cpu_s"]),
                table.number(row["idle_bytes"], 0),
            ]
        )
        for kind in KINDS:
            own = runs[kind].get(name, [])
            # A fresh connection for each request is what is asked for there.
            own = [dict(r, reconnects=0) for r in own]
            if own:
                report.data["doubts"] += measure.doubts(f"{name}, {kind}", own)
    add_bars(report)


def add_bars(report):
    eddy, nginx = report.row("eddy"), report.row("nginx")
    if not eddy or not nginx:
        return

    def bar(what, key, limit, upside_down=False):
        value = ratio(eddy[key], nginx[key])
        if value:
            value = 1 / value if upside_down else value
            report.bar(what, value, limit, " × nginx's")

    bar("CPU per handshake", "handshake_us", 1)
    bar("CPU per byte", "bulk_gb_per_cpu_s", 1, upside_down=True)
    bar("CPU per request", "request_us", 1.1)
    bar("memory of an idle connection", "idle_bytes", 0.5)
