"""wrk as a load generator, and what a server's processes used meanwhile."""
import glob
import math
import os
import re
import subprocess

from . import machine, servers

UNITS = {"us": 1e-3, "ms": 1.0, "s": 1e3, "m": 6e4}

# On a processor with a server: what is niced gets what that leaves.
NICE = 19


def cpu_ns(pids):
    """Used by all threads of the processes, as the kernel accounts it."""
    total = 0
    for pid in pids:
        for path in glob.glob(f"/proc/{pid}/task/*/schedstat"):
            try:
                with open(path) as f:
                    total += int(f.read().split()[0])
            except (FileNotFoundError, ProcessLookupError):
                pass  # a thread that has ended
    return total


def ms(text, name):
    found = re.search(rf"^\s+{name}\s+([\d.]+)(us|ms|s|m)$", text, re.M)
    return float(found.group(1)) * UNITS[found.group(2)] if found else None


def run(server, path, connections, seconds, niced_on=None):
    """One run: answers a second, latencies, and the server's processor time
    for an answer, over all of the run. wrk knows whole seconds only. It has the
    generator's processor, or is niced and has a thread on each of those."""
    cpus = niced_on or {machine.generator_cpu()}

    def prepare():
        os.sched_setaffinity(0, cpus)
        if niced_on:
            os.nice(NICE)

    command = ["wrk", f"-t{len(cpus)}", f"-c{connections}"]
    command += [f"-d{math.ceil(seconds)}s"]
    pids = server.pids()
    before = cpu_ns(pids)
    done = subprocess.run(
        [*command, "--latency", server.url(path)],
        capture_output=True,
        text=True,
        preexec_fn=prepare,
    )
    used = cpu_ns(pids) - before
    text = done.stdout
    counted = re.search(r"(\d+) requests in ([\d.]+)(ms|s|m)", text)
    if done.returncode or not counted or not int(counted.group(1)):
        raise servers.Failed(f"wrk: {done.stderr.strip() or text[-200:]}")
    wrong = re.search(r"Non-2xx or 3xx responses: (\d+)", text)
    errors = re.search(r"Socket errors: (.*)", text)
    answers = int(counted.group(1))
    took = float(counted.group(2)) * UNITS[counted.group(3)] / 1e3
    return {
        "answers": answers,
        "per_second": answers / took,
        "cpu_us": used / 1e3 / answers,
        "p50_ms": ms(text, "50%"),
        "p99_ms": ms(text, "99%"),
        "not_2xx": int(wrong.group(1)) if wrong else 0,
        "errors": errors.group(1) if errors else None,
    }
