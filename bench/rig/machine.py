"""What a report says about the machine and the versions measured."""
import datetime
import functools
import json
import os
import pathlib
import platform
import re
import shutil
import subprocess

from . import paths

# The system's Python: the one Debian's python3-* packages belong to.
PYTHON = "/usr/bin/python3"
# nginx lives where an ordinary user's PATH does not reach.
PATH = os.environ.get("PATH", "") + ":/usr/sbin:/usr/local/sbin"

# Where node's modules are: those of Debian, and what npm has put into the build
# directory. What is started here finds them.
NODE_MODULES = ("/usr/share/nodejs", paths.ROOT / "build/npm/node_modules")
os.environ["NODE_PATH"] = ":".join(map(str, NODE_MODULES))

SERVER_CPU = 0


def generator_cpu():
    return 1 if os.cpu_count() > 1 else 0


def pinned(cpu):
    """A preexec_fn that binds a child to one processor."""
    return lambda: os.sched_setaffinity(0, {cpu})


def program(name):
    return shutil.which(name, path=PATH)


def describe():
    return {
        "cpu": cpu_model(),
        "cpus": os.cpu_count(),
        "kernel": platform.release(),
        "load_at_start": round(os.getloadavg()[0], 2),
    }


def cpu_model():
    with open("/proc/cpuinfo") as f:
        match = re.search(r"^model name\s*:\s*(.*)$", f.read(), re.M)
    return match.group(1).strip() if match else platform.machine()


def now():
    return datetime.datetime.now().astimezone().isoformat(timespec="seconds")


def first_line(command):
    done = subprocess.run(
        command, capture_output=True, text=True, cwd=paths.ROOT
    )
    lines = (done.stdout + done.stderr).strip().splitlines()
    return lines[0] if done.returncode == 0 and lines else None


@functools.lru_cache
def python_module(name):
    """The version of a module of the system's Python, or None."""
    if not os.path.exists(PYTHON):
        return None
    code = (
        f"import {name} as m; v = getattr(m, '__version__', None);"
        "print(v or m.version)"
    )
    return first_line([PYTHON, "-c", code])


def node_module(name):
    """The version of a module of node, or None."""
    for place in NODE_MODULES:
        about = pathlib.Path(place, name, "package.json")
        if about.exists():
            return json.loads(about.read_text())["version"]
    return None


def program_version(name, flag):
    path = program(name)
    line = first_line([path, flag]) if path else None
    return re.search(r"\d+\.[\w.]+", line).group() if line else None


def eddy_version():
    """The commit measured, and how it was compiled."""
    commit = first_line(["git", "describe", "--always", "--dirty"])
    cache = paths.build / "CMakeCache.txt"
    kind = None
    if cache.exists():
        match = re.search(r"CMAKE_BUILD_TYPE:\w+=(\w+)", cache.read_text())
        kind = match and match.group(1)
    return " ".join(filter(None, [commit or "unknown", kind]))
