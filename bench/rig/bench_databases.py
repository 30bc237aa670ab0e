"""The `pg` and `redis` benchmarks: clients asking a database for single rows
and values as fast as they come."""
import contextlib
import os
import re
import statistics
import subprocess

from . import databases, machine, paths, servers, table
from .bench_client import CONCURRENCY, Client
from .report import Report
from .rounds import measured, progress, ratio

PGBENCH_CLIENTS = 8
REDIS_BENCHMARK_KEYS = databases.ROWS


class Measurer(Client):
    """A program of the database's own that does not know its processor time:
    that of the whole process is taken, which includes its start."""

    def run_words(self, words):
        """Runs it on the client's processor: its output and nanoseconds."""
        with subprocess.Popen(
            [str(word) for word in words],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            preexec_fn=machine.pinned(machine.SERVER_CPU),
        ) as process:
            output = process.stdout.read()
            _, status, usage = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            raise servers.Failed(output.strip()[-200:])
        return output, int((usage.ru_utime + usage.ru_stime) * 1e9)


class Pgbench(Measurer):
    def __init__(self):
        super().__init__(
            f"pgbench -c {PGBENCH_CLIENTS}",
            [],
            needs=[
                lambda: None
                if databases.Postgres.program("pgbench")
                else "not installed"
            ],
        )

    def run(self, url, options):
        script = paths.RUN / "pgbench.sql"
        script.write_text(
            f"\\set id random(1, {databases.ROWS})\n"
            "select id, randomnumber from world where id = :id;\n"
        )
        seconds = max(1, round(options.seconds))
        output, run_ns = self.run_words(
            [
                databases.Postgres.program("pgbench"),
                *("-n", "-M", "prepared", "-f", script, "-T", seconds),
                *("-c", PGBENCH_CLIENTS, "-j", 1, url),
            ]
        )
        answers = re.search(r"actually processed: (\d+)", output).group(1)
        per_second = re.search(r"^tps = ([\d.]+)", output, re.M).group(1)
        return {
            "answers": int(answers),
            "seconds": int(answers) / float(per_second),
            "run_ns": run_ns,
        }


class RedisBenchmark(Measurer):
    """It counts requests, not time: it is told as many as it did in a second
    of its first run."""

    FIRST = 50000

    def __init__(self, clients, depth):
        super().__init__(
            f"redis-benchmark -c {clients} -P {depth}",
            [],
            needs=[servers.needs_program("redis-benchmark")],
        )
        self._how = ("-c", clients, "-P", depth)
        self._per_second = None

    def run(self, url, options):
        if not self._per_second:
            self._per_second = self._ask(url, self.FIRST)["per_second"]
        return self._ask(url, int(self._per_second * options.seconds))

    def _ask(self, url, requests):
        output, run_ns = self.run_words(
            [
                *("redis-benchmark", "-s", url, "-t", "get", "--csv"),
                *("-r", REDIS_BENCHMARK_KEYS, "-n", requests, *self._how),
            ]
        )
        per_second = float(re.search(r'^"GET","([\d.]+)', output, re.M).group(1))
        return {
            "answers": requests,
            "seconds": requests / per_second,
            "run_ns": run_ns,
            "per_second": per_second,
        }


# ---- who asks ----

C_OPTIONS = ("-c", "{concurrency}", "-t", "{seconds}", "-w", "{warm_up}")
OTHERS = ("{concurrency}", "{seconds}", "{warm_up}")

def built(name, program, *words, version=None):
    return Client(
        name,
        [f"{{build}}/{program}", *words, *C_OPTIONS],
        needs=[servers.needs_built(f"bench/{program}")],
        version=version,
    )


def python(name, script, module, *words):
    return Client(
        name,
        ["{python}", f"{{peers}}/{script}", *words, *OTHERS],
        needs=[servers.needs_module(m) for m in (module, "uvloop")],
        version=lambda: machine.python_module(module),
    )


def node(name, script, module):
    return Client(
        name,
        ["node", f"{{peers}}/{script}", *OTHERS],
        needs=servers.needs_node(module),
        version=lambda: machine.node_module(module),
    )


def pg_clients():
    return [
        built("libpq a sync per query", "pg_raw"),
        built("libpq a sync per batch", "pg_raw", "--batch", "1"),
        built("libpq, 256 in batches", "pg_raw", "--batch", "4"),
        built("eddy", "pg", version=machine.eddy_version),
        built("eddy read-only", "pg", "--read-only"),
        python("asyncpg held", "asyncpg_client.py", "asyncpg", "held"),
        python("asyncpg acquired", "asyncpg_client.py", "asyncpg", "acquire"),
        node("node pg", "pg_client.js", "pg"),
        Pgbench(),
    ]


def redis_clients():
    return [
        RedisBenchmark(4, 16),
        built("eddy", "redis", version=machine.eddy_version),
        RedisBenchmark(CONCURRENCY, 1),
        python("redis-py", "redis_client.py", "redis"),
        node("node redis", "redis_client.js", "redis"),
    ]


def names():
    everyone = [*pg_clients(), *redis_clients()]
    return list(dict.fromkeys(client.short_name for client in everyone))


# ---- rounds and rows ----


def run_rounds(report, options, database, clients, address):
    """Every client once in each round; rows by name."""
    reason = database.missing()
    if reason:
        report.skip("all", reason)
        return {}
    running = []
    for client in clients:
        if options.only and client.short_name not in options.only:
            continue
        if client.missing():
            report.skip(client.name, client.missing())
            continue
        report.data["versions"][client.name] = client.version()
        running.append(client)
    runs = {}
    paths.RUN.mkdir(parents=True, exist_ok=True)
    with contextlib.ExitStack() as stack:
        stack.callback(database.stop)
        progress("starting the database")
        database.start()
        report.data["versions"][type(database).__name__] = database.version()
        for number in range(1, options.rounds + 1):
            measured(
                running,
                runs,
                report,
                f"round {number}/{options.rounds}",
                lambda client: client.run(address(), options),
            )
    report.data["raw"] = runs
    return {name: summary(name, own) for name, own in runs.items()}


def summary(name, runs):
    cpu = [run["run_ns"] / 1e3 / run["answers"] for run in runs]
    speed = [run["answers"] / run["seconds"] for run in runs]
    return {
        "server": name,
        "per_second": statistics.median(speed),
        "per_second_max": max(speed),
        "cpu_us_min": min(cpu),
        "cpu_us_median": statistics.median(cpu),
    }


def add_rows(report, rows, what):
    report.columns = [
        *("client", f"{what}/s", "best", "µs CPU each", "median"),
        *("× eddy's CPU", "× eddy's speed"),
    ]
    eddy = rows.get("eddy", {})
    for row in rows.values():
        row["ratio"] = ratio(row["cpu_us_min"], eddy.get("cpu_us_min"))
        row["speed_ratio"] = ratio(row["per_second"], eddy.get("per_second"))
        report.data["rows"].append(row)
        report.lines.append(
            [
                row["server"],
                table.number(row["per_second"], 0),
                table.number(row["per_second_max"], 0),
                table.number(row["cpu_us_min"]),
                table.number(row["cpu_us_median"]),
                table.number(row["ratio"]),
                table.number(row["speed_ratio"]),
            ]
        )


def speed_bar(report, what, row, least, unit):
    """The fastest round against a speed: as a share of it that is missing at
    most is how bars are stated."""
    report.bar(what, least / row["per_second_max"], 1, unit)


def pg(options):
    report = Report(
        "pg",
        f"pg: {CONCURRENCY} at a time asking for a row by its primary key, on"
        " a unix socket",
        options,
    )
    database = databases.Postgres()
    rows = run_rounds(
        report, options, database, pg_clients(), lambda: database.dsn
    )
    add_rows(report, rows, "queries")
    # Of the machine on which the bars were set, by hand it took 2.3 and 0.45 µs:
    # on another the ratio to that is what holds.
    for name, words, least, cpu, by_hand, cpu_by_hand in (
        ("eddy", "with own syncs", 150000, 3, "libpq a sync per query", 2.3),
        ("eddy read-only", "read-only", 280000, 1, "libpq, 256 in batches", 0.45),
    ):
        if name not in rows:
            continue
        report.bar(f"CPU {words}", rows[name]["cpu_us_min"], cpu, " µs")
        if by_hand in rows:
            report.bar(
                f"CPU {words}",
                rows[name]["cpu_us_min"] / rows[by_hand]["cpu_us_min"],
                round(cpu / cpu_by_hand, 2),
                " × libpq by hand",
            )
        unit = f" × that of {least:,} queries a second"
        speed_bar(report, f"time {words}", rows[name], least, unit)
    return report


def redis(options):
    report = Report(
        "redis",
        f"redis: GET, {CONCURRENCY} at a time, on a unix socket",
        options,
    )
    database = databases.Redis()
    rows = run_rounds(
        report, options, database, redis_clients(), lambda: str(database.socket)
    )
    add_rows(report, rows, "commands")
    best = rows.get("redis-benchmark -c 4 -P 16")
    if best and "eddy" in rows:
        speed = best["per_second"] / rows["eddy"]["per_second"]
        unit = " × redis-benchmark's at the same depth"
        report.bar("time a command", speed, 1 / 0.8, unit)
    return report
