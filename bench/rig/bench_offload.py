"""The `offload` benchmark: 1,000 URLs of 10 ms from synchronous programs."""
import contextlib
import statistics

from . import machine, servers, table
from .bench_client import Client
from .report import Report
from .rounds import measured, need_built, ratio, wanted

URLS = 1000
EACH_MS = 10
POOL = 100  # threads: more than are usual, and past what helps


def python_client(name, script, needs, version, *arguments, words=()):
    command = ["{python}", f"{{peers}}/{script}", str(URLS)]
    return Client(
        name,
        [*words, *command, "{seconds}", "{warm_up}"],
        needs=needs,
        version=version,
        arguments=arguments,
    )


def peer(name, script, modules, *arguments):
    return python_client(
        name,
        script,
        [servers.needs_module(module) for module in modules],
        lambda: machine.python_module(modules[0]),
        *arguments,
    )


def clients():
    return [
        python_client(
            "eddy",
            "offload_eddy.py",
            [servers.needs_built("python/eddy/_eddy.abi3.so")],
            machine.eddy_version,
            words=["env", "PYTHONPATH={build}/../python"],
        ),
        Client(
            "eddy, from C",
            ["{build}/offload", str(URLS), "{seconds}", "{warm_up}"],
            needs=[servers.needs_built("bench/offload")],
            version=machine.eddy_version,
        ),
        peer("requests", "offload_requests.py", ["requests"]),
        peer(
            f"requests, {POOL} threads",
            "offload_requests.py",
            ["requests"],
            str(POOL),
        ),
        peer("aiohttp", "offload_aiohttp.py", ["aiohttp", "uvloop"]),
    ]


def run(options):
    need_built("slow_backend")
    report = Report(
        "offload",
        f"offload: {URLS:,} URLs of {EACH_MS} ms from synchronous programs",
        options,
    )
    running = list(wanted(clients(), report, options))
    for client in running:
        report.data["versions"][client.name] = client.version()
    runs = {}
    with contextlib.ExitStack() as stack:
        backend = servers.slow_backend()
        stack.callback(backend.stop)
        backend.start(cpu=machine.generator_cpu())
        url = backend.url(f"/?ms={EACH_MS}")
        for number in range(1, options.rounds + 1):
            measured(
                running,
                runs,
                report,
                f"round {number}/{options.rounds}",
                lambda client: client.run(url, options),
            )
    add_rows(report, runs)
    return report


def row_of(name, own):
    each = [r["run_ns"] / 1e3 / r["answers"] for r in own]
    took = [ms for r in own for ms in r["batch_ms"]]
    return {
        "server": name,
        "batch_ms_min": min(took),
        "batch_ms_median": statistics.median(took),
        "cpu_us_min": min(each),
        "cpu_us_median": statistics.median(each),
        "threads": max(r["threads"] for r in own),
    }


def add_rows(report, runs):
    report.data["raw"] = runs
    report.columns = [
        *("client", "ms for all", "least", "× eddy's", "µs CPU/fetch"),
        *("median", "× eddy's", "fetches/CPU s", "threads"),
    ]
    rows = {name: row_of(name, own) for name, own in runs.items()}
    eddy = rows.get("eddy", {})
    for row in rows.values():
        row["times"] = ratio(
            row["batch_ms_median"], eddy.get("batch_ms_median")
        )
        row["ratio"] = ratio(row["cpu_us_min"], eddy.get("cpu_us_min"))
        report.data["rows"].append(row)
        report.lines.append(
            [
                row["server"],
                table.number(row["batch_ms_median"], 1),
                table.number(row["batch_ms_min"], 1),
                table.number(row["times"], 1),
                table.number(row["cpu_us_min"], 1),
                table.number(row["cpu_us_median"], 1),
                table.number(row["ratio"], 1),
                table.number(1e6 / row["cpu_us_min"], 0),
                str(row["threads"]),
            ]
        )
    if eddy:
        add_bars(report, rows)


def add_bars(report, rows):
    eddy = rows["eddy"]
    if "requests" in rows:
        report.bar(
            "time for all",
            eddy["batch_ms_median"] / rows["requests"]["batch_ms_median"],
            1 / 10,
            " × requests on a pool of 5 threads a processor",
        )
    if "aiohttp" in rows:
        report.bar(
            "CPU per fetch",
            eddy["cpu_us_min"] / rows["aiohttp"]["cpu_us_min"],
            1 / 3,
            " × aiohttp's",
        )
    report.bar("threads in the process", eddy["threads"], 2, "")
