"""The `talk` benchmark: a page of twenty calls, in a synchronous program.

The sequence is that of the talk which began this: two processes, then two with
two threads each, and 1, 2, 4 and 5 requests sent at once; four threads each are
what `eddy serve` has by itself. What is measured is the time until the last of
them is answered, and the processor time of a page.
"""
import contextlib
import http.client
import pathlib
import statistics
import threading
import time

from . import machine, paths, plot, servers, table
from .report import Report
from .rounds import measured, need_built, progress, start

CALLS = 20
CALL_MS = 100
AT_ONCE = (1, 2, 4, 5)
SETUPS = {
    "2 processes": 1,
    "2 processes of 2 threads": 2,
    "2 processes of 4 threads": 4,
}
PATH = f"/?n={CALLS}&ms={CALL_MS}"

# What takes longer has hung: five pages after each other take ten seconds.
PATIENCE_S = 60

# A page is to take as long as its slowest call, and a fifth of that.
PAGE_MS = 1.2 * CALL_MS

# And one of quick calls, one after the other, not much longer than that.
QUICK_MS = 10
QUICK_PATH = f"/?n={CALLS}&ms={QUICK_MS}"
QUICK_PAGES = 5
QUICK_PAGE_MS = 20

VIEWS = paths.ROOT / "examples" / "wsgi"
IMPORTS = ("flask", "requests")


def needs(*modules, program=None, built=()):
    return [
        *([servers.needs_program(program)] if program else []),
        *(servers.needs_module(m) for m in (*IMPORTS, *modules)),
        *(servers.needs_built(b) for b in built),
    ]


def with_services(command):
    """Python finds Eddy's module in the build directory, and nobody leaves
    compiled files in the sources."""
    return [
        *("env", "SERVICES={backend}", "PYTHONPATH={build}/python"),
        *("PYTHONDONTWRITEBYTECODE=1", *command),
    ]


def uwsgi(name, module, threads, modules=(), built=()):
    return servers.Server(
        name,
        with_services(
            [
                *("uwsgi", "--plugin", "python3", "--master"),
                *("--processes", "2", "--threads", str(threads)),
                *("--enable-threads", "--http-socket", "127.0.0.1:{port}"),
                *("--pythonpath", str(VIEWS), "--pythonpath", "{peers}"),
                *("--module", f"{module}:app", "--need-app"),
                *("--disable-logging", "--die-on-term"),
            ]
        ),
        needs=needs(*modules, program="uwsgi", built=built),
        version=lambda: (
            "uwsgi " + (machine.program_version("uwsgi", "--version") or "")
        ),
    )


def gunicorn(name, module, workers="sync", modules=()):
    return servers.Server(
        name,
        with_services(
            [
                *("{python}", "-m", "gunicorn", "--workers", "2"),
                *("--worker-class", workers, "--bind", "127.0.0.1:{port}"),
                *("--pythonpath", f"{VIEWS},{{peers}}"),
                *("--log-level", "warning", f"{module}:app"),
            ]
        ),
        needs=needs("gunicorn", *modules),
        version=lambda: " with ".join(
            ["gunicorn " + machine.python_module("gunicorn")]
            + [f"{m} {machine.python_module(m)}" for m in modules]
        ),
    )


def gevent(name, module, threads):
    """It has no threads to add."""
    if threads > 1:
        return None
    return gunicorn(name, module, "gevent", ["gevent"])


def eddy(name, threads):
    return servers.Server(
        name,
        with_services(
            [
                *("{build}/eddy", "serve", "--wsgi", "gathered:app"),
                *("--python-path", str(VIEWS), "--workers", "2"),
                *("--threads", str(threads), "--ctl", "none"),
                *("--listen", "127.0.0.1:{port}", "--log", "warn"),
            ]
        ),
        needs=needs(
            built=["eddy", "libeddy-wsgi.so", "python/eddy/_eddy.abi3.so"]
        ),
        version=machine.eddy_version,
    )


# A name for each way to make the page, and the server that runs it so with as
# many threads in a process.
WAYS = {
    "plain": lambda name, n: uwsgi(name, "plain", n),
    "thread pool": lambda name, n: uwsgi(name, "talk_pool", n),
    "asyncio": lambda name, n: uwsgi(name, "talk_asyncio", n, ["aiohttp"]),
    "gevent": lambda name, n: gevent(name, "plain", n),
    "gevent pool": lambda name, n: gevent(name, "talk_gevent", n),
    "eddy in uwsgi": lambda name, n: uwsgi(
        name, "gathered", n, built=["python/eddy/_eddy.abi3.so"]
    ),
    "eddy serve": eddy,
}


def names():
    return list(dict.fromkeys(way.split()[0] for way in WAYS))


def check(server):
    """Twice, so that each process is likely to have made a page."""
    for _ in range(2):
        if server.get(f"/?n={CALLS}&ms=1").count("\n") != CALLS:
            raise servers.Failed(f"answered something else than {CALLS} lines")


# ---- one run ----


def ask(server, path, gate, outcomes):
    connection = http.client.HTTPConnection(
        "127.0.0.1", server.port, timeout=PATIENCE_S
    )
    try:
        connection.connect()
        gate.wait()
        connection.request("GET", path)
        answer = connection.getresponse()
        lines = answer.read().count(b"\n")
        outcomes.append((time.monotonic(), answer.status, lines))
    except (OSError, http.client.HTTPException) as failure:
        outcomes.append((time.monotonic(), repr(failure), 0))
    finally:
        connection.close()


def hammer(server, count, path=PATH, calls=CALLS):
    """Milliseconds until the last of `count` requests is answered."""
    gate = threading.Barrier(count + 1)
    outcomes = []
    threads = [
        threading.Thread(target=ask, args=(server, path, gate, outcomes))
        for _ in range(count)
    ]
    for thread in threads:
        thread.start()
    gate.wait(PATIENCE_S)
    began = time.monotonic()
    for thread in threads:
        thread.join()
    for _, status, lines in outcomes:
        if (status, lines) != (200, calls):
            raise servers.Failed(f"answered {status} with {lines} lines")
    return 1000 * (max(ended for ended, *_ in outcomes) - began)


def cpu_ms(server):
    """Processor time of all threads of its processes; all of them last."""
    total = 0
    for pid in server.pids():
        for task in pathlib.Path(f"/proc/{pid}/task").iterdir():
            total += int((task / "schedstat").read_text().split()[0])
    return total / 1e6


def run_all_counts(server):
    before = cpu_ms(server)
    walls = {count: hammer(server, count) for count in AT_ONCE}
    cpu = (cpu_ms(server) - before) / sum(AT_ONCE)
    quick = [hammer(server, 1, QUICK_PATH) for _ in range(QUICK_PAGES)]
    return {"wall_ms": walls, "cpu_ms_per_page": cpu, "quick_ms": quick}


# ---- the benchmark ----


def run(options):
    need_built("slow_backend")
    options.seconds = None
    report = Report(
        "talk",
        f"talk: a page of {CALLS} calls of {CALL_MS} ms; ms until the last of"
        " N requests sent at once is answered",
        options,
    )
    report.data["raw"] = {
        setup: run_setup(setup, threads, report, options)
        for setup, threads in SETUPS.items()
    }
    add_rows(report)
    draw(report)
    return report


def run_setup(setup, threads, report, options):
    runs = {}
    with contextlib.ExitStack() as stack:
        backend = servers.slow_backend()
        stack.callback(backend.stop)
        backend.start(cpu=machine.generator_cpu())
        candidates = [make(name, threads) for name, make in WAYS.items()]
        running = start(
            stack,
            [server for server in candidates if server],
            report,
            options,
            check,
            backend.url("/"),
        )
        for number in range(1, options.rounds + 1):
            measured(
                running,
                runs,
                report,
                f"{setup}, round {number}/{options.rounds}",
                run_all_counts,
            )
    progress("")
    return runs


def medians(runs):
    return {
        count: statistics.median(run["wall_ms"][count] for run in runs)
        for count in AT_ONCE
    }


def add_rows(report):
    ways = [
        name
        for name in WAYS
        if any(name in runs for runs in report.data["raw"].values())
    ]
    report.columns = ["", "at once", *ways]
    for setup, by_way in report.data["raw"].items():
        walls = {way: medians(runs) for way, runs in by_way.items()}
        cpu = {
            way: min(run["cpu_ms_per_page"] for run in runs)
            for way, runs in by_way.items()
        }
        quick = {
            way: statistics.median(ms for run in runs for ms in run["quick_ms"])
            for way, runs in by_way.items()
        }
        for way in by_way:
            report.data["rows"].append(
                {
                    "server": way,
                    "setup": setup,
                    "wall_ms": walls[way],
                    "cpu_ms_per_page": cpu[way],
                    "quick_ms_p50": quick[way],
                }
            )
        for count in AT_ONCE:
            report.lines.append(
                [
                    setup if count == AT_ONCE[0] else "",
                    str(count),
                    *(
                        table.number(walls.get(way, {}).get(count), 0)
                        for way in ways
                    ),
                ]
            )
        report.lines.append(
            ["", "CPU/page", *(table.number(cpu.get(way), 1) for way in ways)]
        )
        report.lines.append(
            [
                "",
                f"of {QUICK_MS} ms",
                *(table.number(quick.get(way), 1) for way in ways),
            ]
        )
    eddy_row = report.row("eddy serve")
    if eddy_row:
        report.bar("one page", eddy_row["wall_ms"][1], PAGE_MS, " ms")
        report.bar(
            f"p50 of a page of {CALLS} calls of {QUICK_MS} ms",
            *(eddy_row["quick_ms_p50"], QUICK_PAGE_MS, " ms"),
        )


def draw(report):
    panels = [
        (
            setup,
            [
                (row["server"], list(row["wall_ms"].items()))
                for row in report.data["rows"]
                if row["setup"] == setup
            ],
        )
        for setup in SETUPS
    ]
    if not all(curves for _, curves in panels):
        return
    host = report.data["machine"]
    subtitle = (
        f"median of {report.data['rounds']} rounds, the server on one core of"
        f" {host['cpu']}, {report.data['date'][:10]}"
    )
    title = f"A page of {CALLS} calls of {CALL_MS} ms, N times at once"
    path = paths.RESULTS / "talk.svg"
    path.write_text(plot.walls_svg(title, subtitle, panels))
    report.data["plot"] = paths.shown(path)
