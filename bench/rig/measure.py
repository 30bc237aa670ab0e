"""One run of the load generator, and what many runs amount to."""
import json
import statistics
import subprocess
import time

from . import machine, paths, servers


def load_command(server, path, *options, by="load"):
    url = server.url(path)
    if by == "load_ws":
        url = url.replace("http", "ws", 1)
    return [str(paths.build / "bench" / by), *map(str, options), url]


def load(
    server,
    path,
    *options,
    connections,
    seconds,
    warm_up,
    depth=1,
    fresh=False,
    by="load",
):
    """Loads a server and returns what the generator reports.

    Raises Failed if the server spoke nonsense or hung up for good.
    """
    command = load_command(
        server,
        path,
        *("-c", connections, "-t", seconds, "-w", warm_up),
        *("--watch", ",".join(map(str, server.pids()))),
        *(["-p", depth] if depth > 1 else []),
        *(["--fresh"] if fresh else []),
        *options,
        by=by,
    )
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        preexec_fn=machine.pinned(machine.generator_cpu()),
    )
    if done.returncode:
        raise servers.Failed(done.stderr.strip())
    report = json.loads(done.stdout)
    if not report["answers"]:
        raise servers.Failed("answered nothing")
    return report


class Idle:
    """Connections that have each been answered once and are then held."""

    def __init__(self, server, path, connections, *options, by="load"):
        self._process = subprocess.Popen(
            load_command(
                server, path, "--idle", "-c", connections, *options, by=by
            ),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            preexec_fn=machine.pinned(machine.generator_cpu()),
        )

    def __enter__(self):
        if not self._process.stdout.readline():
            _, why = self._process.communicate()
            raise servers.Failed(
                why.strip() or "not every connection was answered"
            )
        return self

    def __exit__(self, *_):
        self._process.communicate()


# Connections of the traffic before memory is looked at; what a server gives
# back or takes after it, it does soon.
TRAFFIC_CONNECTIONS = 64
SETTLE_S = 0.5


def idle(server, connections, warm_up, path="/", *options, by="load"):
    """The memory of a server without and with connections that are idle."""
    # What a server allocates once, it has allocated after some traffic, and
    # what it does only for a first answer, after some first answers.
    load(
        server,
        path,
        connections=TRAFFIC_CONNECTIONS,
        seconds=warm_up,
        warm_up=0,
        by=by,
    )
    with Idle(server, path, TRAFFIC_CONNECTIONS, *options, by=by):
        pass
    time.sleep(SETTLE_S)
    before = server.rss_bytes()
    with Idle(server, path, connections, *options, by=by):
        time.sleep(SETTLE_S)
        after = server.rss_bytes()
    return {
        "rss_before": before,
        "rss_after": after,
        "bytes_each": (after - before) / connections,
    }


def summarize(runs, units_per_answer=1):
    """Many runs of one server as one row of figures.

    CPU is per unit (a request, or a fetch when an answer takes several), in
    microseconds. Noise only ever adds to it, so its minimum is the figure to
    compare and its median says how noisy it was. The kernel samples whether
    time is spent in user or system mode at 250 Hz or so: the shares are taken
    from all rounds together, not from one.
    """
    cpu = [
        run["server_run_ns"] / 1e3 / (run["answers"] * units_per_answer)
        for run in runs
    ]
    user = sum(run["server_user_ticks"] for run in runs)
    ticks = user + sum(run["server_system_ticks"] for run in runs)
    user_share = user / ticks if ticks else 0
    return {
        "cpu_us_min": min(cpu),
        "cpu_us_median": statistics.median(cpu),
        "user_us": min(cpu) * user_share,
        "system_us": min(cpu) * (1 - user_share),
        "per_second": statistics.median(
            run["answers"] / run["seconds"] for run in runs
        ),
        "busy": statistics.median(
            run["server_run_ns"] / 1e9 / run["seconds"] for run in runs
        ),
        "p50_ms": median_ms(runs, "p50_us"),
        "p90_ms": median_ms(runs, "p90_us"),
        "p99_ms": median_ms(runs, "p99_us"),
        "max_ms": max(run["max_us"] for run in runs) / 1e3,
    }


def median_ms(runs, key):
    return statistics.median(run[key] for run in runs) / 1e3


# A server kept from its processor this much of the time was not alone there.
CROWDED = 0.05


def doubts(name, runs):
    """Reasons to distrust a row, in words."""
    failed = sum(run["not_2xx"] for run in runs)
    closed = sum(run["reconnects"] for run in runs)
    waited = sum(run["server_wait_ns"] for run in runs) / 1e9
    share = waited / sum(run["seconds"] for run in runs)
    if failed:
        yield f"{name}: {failed} answers were not 2xx"
    if closed:
        yield f"{name}: closed {closed} connections"
    if share > CROWDED:
        yield (
            f"{name}: waited for its processor {share:.0%} of the time;"
            " something else ran there"
        )
