"""The `client` benchmark: clients asking nginx as fast as they are answered."""
import contextlib
import json
import statistics
import subprocess

from . import machine, measure, paths, servers, table
from .report import Report
from .rounds import check_greeting, measured, ratio, wanted

CONCURRENCY = 64


class Client:
    """A program that asks a URL for some time and prints its own figures."""

    def __init__(
        self, name, command, needs=(), version=None, arguments=()
    ):
        self.name = name
        self._command = command  # words; {seconds} and the like are filled in
        self._arguments = arguments  # behind the URL
        self._needs = needs
        self.version = version or (lambda: None)

    @property
    def short_name(self):
        return self.name.split()[0]

    def missing(self):
        return next(filter(None, (need() for need in self._needs)), None)

    def run(self, url, options):
        words = {
            "build": paths.build / "bench",
            "peers": paths.PEERS,
            "python": machine.PYTHON,
            "concurrency": CONCURRENCY,
            "seconds": options.seconds,
            "warm_up": options.warm_up,
        }
        command = [word.format(**words) for word in self._command]
        done = subprocess.run(
            [*command, url, *self._arguments],
            capture_output=True,
            text=True,
            preexec_fn=machine.pinned(machine.SERVER_CPU),
        )
        if done.returncode:
            raise servers.Failed(done.stderr.strip()[-200:])
        run = json.loads(done.stdout)
        # The raw client is the load generator, which has its own words.
        run.setdefault("run_ns", run.get("generator_run_ns"))
        return run


def curl_version():
    return machine.program_version("curl", "--version")


def clients():
    c_options = ["-c", "{concurrency}", "-t", "{seconds}", "-w", "{warm_up}"]
    others = ["{concurrency}", "{seconds}", "{warm_up}"]

    def built(name, program, *words, version=None):
        return Client(
            name,
            [f"{{build}}/{program}", *words, *c_options],
            needs=[servers.needs_built(f"bench/{program}")],
            version=version,
        )

    return [
        built("raw epoll", "load"),
        built("eddy", "client", version=machine.eddy_version),
        built("libcurl multi", "curl_multi", version=curl_version),
        built(
            "libcurl multi, new handles",
            "curl_multi",
            "--fresh",
            version=curl_version,
        ),
        Client(
            "node",
            ["node", "{peers}/client.js", *others],
            needs=[servers.needs_program("node")],
            version=lambda: machine.program_version("node", "--version"),
        ),
        Client(
            "aiohttp",
            ["{python}", "{peers}/aiohttp_client.py", *others],
            needs=[servers.needs_module(m) for m in ("aiohttp", "uvloop")],
            version=lambda: machine.python_module("aiohttp"),
        ),
    ]


def run(options):
    report = Report(
        "client",
        f"client: {CONCURRENCY} requests at a time to nginx, on connections"
        " that are kept",
        options,
    )
    nginx = servers.nginx_backend()
    reason = nginx.missing()
    if reason:
        report.skip("nginx", f"{reason}: nobody to ask")
        return report
    running = list(wanted(clients(), report, options))
    for client in running:
        report.data["versions"][client.name] = client.version()
    runs = {}
    with contextlib.ExitStack() as stack:
        stack.callback(nginx.stop)
        nginx.start(cpu=machine.generator_cpu())
        check_greeting(nginx)
        report.data["versions"]["nginx"] = nginx.version()
        for number in range(1, options.rounds + 1):
            measured(
                running,
                runs,
                report,
                f"round {number}/{options.rounds}",
                lambda client: client.run(nginx.url("/"), options),
            )
    add_rows(report, runs)
    return report


def add_rows(report, runs):
    report.data["raw"] = runs
    report.columns = [
        *("client", "µs CPU/request", "median", "requests/CPU s", "× eddy's"),
        "requests/s",
    ]
    rows = {}
    for name, own in runs.items():
        each = [r["run_ns"] / 1e3 / r["answers"] for r in own]
        rows[name] = {
            "server": name,
            "cpu_us_min": min(each),
            "cpu_us_median": statistics.median(each),
            "per_second": statistics.median(
                r["answers"] / r["seconds"] for r in own
            ),
        }
    eddy = rows.get("eddy", {}).get("cpu_us_min")
    for name, row in rows.items():
        row["ratio"] = ratio(row["cpu_us_min"], eddy)
        report.data["rows"].append(row)
        report.lines.append(
            [
                name,
                table.number(row["cpu_us_min"]),
                table.number(row["cpu_us_median"]),
                table.number(1e6 / row["cpu_us_min"], 0),
                table.number(row["ratio"]),
                table.number(row["per_second"], 0),
            ]
        )
    bars = (
        ("libcurl multi", 3),
        ("libcurl multi, new handles", 3),
        ("aiohttp", 10),
    )
    for name, times in bars:
        if eddy and name in rows:
            report.bar(
                "CPU per request",
                eddy / rows[name]["cpu_us_min"],
                1 / times,
                f" × {name}'s",
            )
