"""The `ws` benchmark: WebSockets that echo, broadcast, or are idle."""
import contextlib
import time

from . import measure, servers, table
from .report import Report
from .rounds import measured, need_built, ratio, start

CONNECTIONS = 64
BROADCAST_CONNECTIONS = 10000
IDLE_CONNECTIONS = 10000
# Contexts of compression take 300 KiB a connection: fewer will do.
CONTEXT_CONNECTIONS = 1000
# Long enough that everybody compresses it.
COMPRESSED = ("--deflate", "-m", 256)

DEPTH = 16
# What every server is measured at in every round. One after the other, most of
# it is the kernel's; many together show what is the server's own.
LOADS = {
    "echo": (CONNECTIONS, ()),
    "deep": (CONNECTIONS, ("-d", DEPTH)),
    "broadcast": (BROADCAST_CONNECTIONS, ("--broadcast",)),
}
# And once, a fresh process of it.
IDLE = {
    "idle": (IDLE_CONNECTIONS, ()),
    "deflate": (IDLE_CONNECTIONS, COMPRESSED),
    "contexts": (CONTEXT_CONNECTIONS, COMPRESSED),
}

# Where a server has it; what it does not have is not measured. node's ws keeps
# the contexts whatever was agreed on, aiohttp unless the client asks it not to,
# which browsers do not.
PATHS = {
    "echo": "/",
    "deep": "/",
    "broadcast": "/broadcast",
    "idle": "/",
    "deflate": "/deflate",
    "contexts": "/contexts",
}
OWN_PATHS = {
    "raw epoll": {"deflate": None, "contexts": None},
    "eddy sequential": {
        **dict.fromkeys(PATHS),
        **dict.fromkeys(["echo", "deep", "idle"], "/sequential"),
    },
    "node": {"deflate": None},
    "aiohttp": {"deflate": None},
}


def path_of(server, kind):
    return OWN_PATHS.get(server.name, {}).get(kind, PATHS[kind])


def check(server):
    with measure.Idle(server, path_of(server, "echo"), 1, by="load_ws"):
        pass


def run(options):
    need_built("load_ws", "raw_ws")
    report = Report(
        "ws",
        f"ws: {CONNECTIONS} WebSockets that echo one message of 32 bytes after"
        f" the other, or {DEPTH} together; one message to {BROADCAST_CONNECTIONS:,};"
        f" {IDLE_CONNECTIONS:,} idle ones",
        options,
    )
    runs = load_rounds(report, options)
    runs.update(idle_runs(report, options))
    add_rows(report, runs)
    add_bars(report)
    return report


def load_rounds(report, options):
    runs = {kind: {} for kind in LOADS}
    with contextlib.ExitStack() as stack:
        running = start(stack, servers.ws_servers(), report, options, check)
        having = {
            kind: [s for s in running if path_of(s, kind)] for kind in LOADS
        }
        for number in range(1, options.rounds + 1):
            for kind in LOADS:
                measured(
                    having[kind],
                    runs[kind],
                    report,
                    f"round {number}/{options.rounds}: {kind}",
                    lambda server: load(server, kind, options),
                )
    return runs


def load(server, kind, options):
    connections, words = LOADS[kind]
    run = measure.load(
        server,
        path_of(server, kind),
        *words,
        connections=connections,
        seconds=options.seconds,
        warm_up=options.warm_up,
        by="load_ws",
    )
    # It is still busy with that many ends.
    time.sleep(measure.SETTLE_S)
    return run


def idle_runs(report, options):
    runs = {kind: {} for kind in IDLE}
    for kind, (connections, words) in IDLE.items():
        for candidate in servers.ws_servers():
            if not path_of(candidate, kind):
                continue
            with contextlib.ExitStack() as stack:
                measured(
                    start(stack, [candidate], report, options, check),
                    runs[kind],
                    report,
                    kind,
                    lambda server: measure.idle(
                        server,
                        connections,
                        options.warm_up,
                        path_of(server, kind),
                        *words,
                        by="load_ws",
                    ),
                )
    return runs


def figures(runs, name):
    """The figures of one server, None where it has none."""
    row = {"server": name}
    for kind in LOADS:
        own = runs[kind].get(name)
        row[kind] = measure.summarize(own) if own else {}
    for kind in IDLE:
        own = runs[kind].get(name)
        row[kind] = own[0]["bytes_each"] if own else None
    return row


def add_rows(report, runs):
    report.data["raw"] = runs
    report.columns = [
        *("server", "µs CPU/echo", "median", "user", "× raw", "echoes/s"),
        *(f"µs CPU/echo of {DEPTH}", "median"),
        *("µs CPU/delivery", "median", "× raw"),
        *("bytes/idle conn", "deflate", "contexts"),
    ]
    names = list(dict.fromkeys(n for kind in runs.values() for n in kind))
    rows = [figures(runs, name) for name in names]
    report.data["rows"] += rows
    raw = report.row("raw epoll") or dict.fromkeys(LOADS, {})
    for row in rows:
        for kind in LOADS:
            row[kind]["ratio"] = ratio(
                row[kind].get("cpu_us_min"), raw[kind].get("cpu_us_min")
            )
            own = runs[kind].get(row["server"])
            if own:
                what = f"{row['server']}, {kind}"
                report.data["doubts"] += measure.doubts(what, own)
        echo, deep, broadcast = row["echo"], row["deep"], row["broadcast"]
        report.lines.append(
            [
                row["server"],
                table.number(echo.get("cpu_us_min")),
                table.number(echo.get("cpu_us_median")),
                table.number(echo.get("user_us")),
                table.number(echo["ratio"]),
                table.number(echo.get("per_second"), 0),
                table.number(deep.get("cpu_us_min")),
                table.number(deep.get("cpu_us_median")),
                table.number(broadcast.get("cpu_us_min")),
                table.number(broadcast.get("cpu_us_median")),
                table.number(broadcast["ratio"]),
                *(table.number(row[kind], 0) for kind in IDLE),
            ]
        )


def add_bars(report):
    deep = f"{DEPTH} together"
    bars = (
        ("eddy", "echo", "events", "raw epoll", 1.15),
        ("eddy sequential", "echo", "sequential", "raw epoll", 1.15),
        ("eddy", "echo", "events", "node", 0.769),
        ("eddy", "deep", deep, "node", 0.769),
        # The kernel's part of one echo alone is more than a fifth of what
        # aiohttp takes for all of it: no server could.
        ("eddy", "deep", deep, "aiohttp", 0.2),
    )
    for name, kind, words, peer, limit in bars:
        eddy, theirs = report.row(name), report.row(peer)
        if not eddy or not theirs:
            continue
        value = ratio(
            eddy[kind].get("cpu_us_min"), theirs[kind].get("cpu_us_min")
        )
        if value:
            unit = f" × {peer}'s"
            report.bar(f"CPU per echo, {words}", value, limit, unit)
    eddy = report.row("eddy")
    if eddy and eddy["broadcast"]["ratio"]:
        share = eddy["broadcast"]["ratio"]
        report.bar("CPU per delivery", share, 1.3, " × raw epoll's")
    if eddy and eddy["idle"] is not None:
        report.bar("an idle connection", eddy["idle"], 300, " bytes")
