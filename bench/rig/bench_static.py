"""The `static` benchmark: a small and a large file out of a directory."""
import contextlib

from . import machine, measure, paths, servers, table
from .report import Report
from .rounds import measured, need_built, ratio, start

SMALL_BYTES = 2**10
LARGE_BYTES = 10 * 2**20

# What is measured, and what one load run of it is.
KINDS = {
    "small": {"path": "/small.txt", "connections": 64},
    "large": {"path": "/large.txt", "connections": 8},
}

# Who is compared with whom: those who look at a file for each request, and
# those who believe for a while that it is what it was.
PAIRS = {"eddy": "nginx", "eddy .cache": "nginx open_file_cache"}


def candidates():
    def eddy(name, *options):
        return servers.built(
            name,
            "bench/files",
            *("--dir", "{run}/static", *options),
            version=machine.eddy_version,
        )

    def nginx(name, config):
        server = servers.nginx(config)
        server.name = name
        return server

    return [
        eddy("eddy"),
        nginx("nginx", "nginx_static.conf"),
        eddy("eddy .cache", "--believe", "60"),
        nginx("nginx open_file_cache", "nginx_static_cache.conf"),
        servers.h2o("h2o_static.conf"),
    ]


def content(size):
    return "0123456789abcde\n" * (size // 16)


def make_files():
    directory = paths.RUN / "static"
    directory.mkdir(parents=True, exist_ok=True)
    for name, size in ("small", SMALL_BYTES), ("large", LARGE_BYTES):
        path = directory / f"{name}.txt"
        if not path.exists() or path.stat().st_size != size:
            path.write_text(content(size))


def check(server):
    for name, size in ("small", SMALL_BYTES), ("large", LARGE_BYTES):
        if server.get(f"/{name}.txt") != content(size):
            raise servers.Failed(f"/{name}.txt is not the file")


def run(options):
    need_built("load")
    make_files()
    report = Report(
        "static",
        f"static: a file of {SMALL_BYTES >> 10} KiB on"
        f" {KINDS['small']['connections']} keep-alive connections, and one of"
        f" {LARGE_BYTES >> 20} MiB on {KINDS['large']['connections']}",
        options,
    )
    runs = {kind: {} for kind in KINDS}
    with contextlib.ExitStack() as stack:
        running = start(stack, candidates(), report, options, check)
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
    add_rows(report, runs)
    return report


def add_rows(report, runs):
    report.data["raw"] = runs
    report.columns = [
        *("server", "µs CPU/1 KiB", "median", "requests/CPU s"),
        *("µs CPU/10 MiB", "median", "GB per CPU s"),
    ]
    names = list(dict.fromkeys(n for kind in runs.values() for n in kind))
    for name in names:
        row = {"server": name}
        for kind in KINDS:
            own = runs[kind].get(name)
            row[kind] = measure.summarize(own) if own else None
            if own:
                doubts = measure.doubts(f"{name}, {kind}", own)
                report.data["doubts"] += doubts
        report.data["rows"].append(row)
        report.lines.append([name, *figures(row)])
    add_bars(report)


def figures(row):
    small, large = row["small"] or {}, row["large"] or {}
    small_us, large_us = small.get("cpu_us_min"), large.get("cpu_us_min")
    return [
        table.number(small_us),
        table.number(small.get("cpu_us_median")),
        table.number(small_us and 1e6 / small_us, 0),
        table.number(large_us, 0),
        table.number(large.get("cpu_us_median"), 0),
        # Bytes in microseconds are megabytes in seconds.
        table.number(large_us and LARGE_BYTES / large_us / 1e3),
    ]


def add_bars(report):
    for ours, theirs in PAIRS.items():
        eddy, nginx = report.row(ours), report.row(theirs)
        for kind, what in ("small", "request"), ("large", "byte"):
            if not eddy or not nginx or not eddy[kind] or not nginx[kind]:
                continue
            value = ratio(eddy[kind]["cpu_us_min"], nginx[kind]["cpu_us_min"])
            report.bar(f"{ours}: CPU per {what}", value, 1, f" × {theirs}'s")
