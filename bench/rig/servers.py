"""Every server that is measured: how it is started, and what it needs.

A server runs in its own session, pinned to one processor, with its output in
build/bench/run/NAME.log, and is ended by the id of the process started here.
"""
import os
import re
import resource
import signal
import socket
import ssl
import subprocess
import time
import urllib.error
import urllib.request

from . import machine, paths

# An interpreter on a busy machine is slow to start, but not this slow.
START_TIMEOUT_S = 20
STOP_TIMEOUT_S = 10


class Failed(Exception):
    """A server that did not start or answered wrongly; says why."""


class Server:
    def __init__(
        self,
        name,
        command,
        needs=(),
        version=None,
        config=None,
        tls=False,
        cpus=None,
    ):
        self.name = name
        self._command = command  # words; {port} and the like are filled in
        self._needs = needs  # functions: the reason it cannot run, or None
        self._version = version
        self._config = config  # a template in peers/
        self._tls = tls
        self._cpus = cpus  # the processors it may use; None: the server's
        self._process = None
        self.port = None

    @property
    def short_name(self):
        """The word that selects it on the command line."""
        return self.name.split()[0]

    def missing(self):
        """Why this server cannot be measured here, or None."""
        return next(filter(None, (need() for need in self._needs)), None)

    def version(self):
        return self._version() if self._version else None

    def start(self, backend="", cpu=machine.SERVER_CPU):
        self.port = free_port()
        paths.RUN.mkdir(parents=True, exist_ok=True)
        words = {
            "port": self.port,
            "backend": backend,
            "python": machine.PYTHON,
            "peers": paths.PEERS,
            "build": paths.build,
            "run": paths.RUN,
            "cert": tls_cert(),
            "key": tls_key(),
            "config": self._write_config(),
        }
        command = [word.format(**words) for word in self._command]
        command[0] = machine.program(command[0]) or command[0]
        with open(self._log(), "wb") as log:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=paths.RUN,
                start_new_session=True,
                preexec_fn=lambda: prepare_child(self._cpus or {cpu}),
            )
        self._wait_until_listening()

    def stop(self):
        if not self._process:
            return
        self._process.terminate()
        try:
            self._process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            # The session is the server's own: nobody else is in it.
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
        self._process = None

    def url(self, path):
        scheme = "https" if self._tls else "http"
        return f"{scheme}://127.0.0.1:{self.port}{path}"

    def get(self, path):
        """The body of an answer that must be a 200."""
        try:
            with urllib.request.urlopen(
                self.url(path), timeout=10, context=trusting()
            ) as reply:
                body = reply.read().decode()
                status = reply.status
        except (OSError, urllib.error.URLError) as error:
            raise Failed(f"GET {path}: {error}") from error
        if status != 200:
            raise Failed(f"GET {path} answered {status}")
        return body

    def pids(self):
        """The process and all its descendants."""
        parents = {}
        for entry in os.listdir("/proc"):
            if entry.isdigit():
                parents.setdefault(parent_of(entry), []).append(int(entry))
        found = [self._process.pid]
        for pid in found:
            found += parents.get(pid, [])
        return found

    def rss_bytes(self):
        return sum(rss_of(pid) for pid in self.pids())

    def _log(self):
        return paths.RUN / f"{self.name.replace(' ', '-')}.log"

    def _write_config(self):
        if not self._config:
            return ""
        (paths.RUN / "hello.txt").write_text("Hello, world!\n")
        text = (paths.PEERS / self._config).read_text()
        text = text.replace("@PORT@", str(self.port))
        text = text.replace("@ROOT@", str(paths.RUN))
        text = text.replace("@CERT@", str(tls_cert()))
        text = text.replace("@KEY@", str(tls_key()))
        written = paths.RUN / self._config
        written.write_text(text)
        return written

    def _wait_until_listening(self):
        deadline = time.monotonic() + START_TIMEOUT_S
        while time.monotonic() < deadline:
            if self._process.poll() is not None:
                break
            try:
                socket.create_connection(("127.0.0.1", self.port)).close()
                return
            except ConnectionRefusedError:
                time.sleep(0.02)
        log = self._log().read_text(errors="replace").strip().splitlines()
        self.stop()
        raise Failed("did not start: " + (log[-1] if log else "no output"))


def tls_cert():
    return paths.RUN / "tls.crt"


def tls_key():
    return paths.RUN / "tls.key"


def trusting():
    """For the certificate that was made a moment ago."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def prepare_child(cpus):
    os.sched_setaffinity(0, cpus)
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def parent_of(pid):
    try:
        with open(f"/proc/{pid}/stat") as f:
            return int(f.read().rpartition(")")[2].split()[1])
    except (FileNotFoundError, ProcessLookupError):
        return None


def rss_of(pid):
    # smaps_rollup walks the pages; the counters in status are approximate.
    with open(f"/proc/{pid}/smaps_rollup") as f:
        kb = re.search(r"^Rss:\s+(\d+) kB", f.read(), re.M).group(1)
    return int(kb) * 1024


def needs_program(name):
    return lambda: None if machine.program(name) else "not installed"


def needs_module(name):
    return lambda: (
        None
        if machine.python_module(name)
        else f"no module {name} for {machine.PYTHON}"
    )


def needs_node(module=None):
    """Of node, and of one of its modules."""
    needs = [needs_program("node")]
    if module:
        needs.append(
            lambda: None
            if machine.node_module(module)
            else f"no module {module} for node"
        )
    return needs


def needs_built(path):
    def missing():
        full = paths.build / path
        return None if full.exists() else f"{paths.shown(full)} is not built"

    return missing


def python_peer(name, script, modules, *arguments):
    return Server(
        name,
        ["{python}", f"{{peers}}/{script}", "{port}", *arguments],
        needs=[needs_module(module) for module in modules],
        version=lambda: " with ".join(
            [machine.python_module(modules[0])]
            + [f"{m} {machine.python_module(m)}" for m in modules[1:]]
        ),
    )


def node_peer(script, *arguments, module=None, tls=False):
    def version():
        node = machine.program_version("node", "--version")
        if module:
            return f"{node} with {module} {machine.node_module(module)}"
        return node

    return Server(
        "node",
        ["node", f"{{peers}}/{script}", "{port}", *arguments],
        needs=needs_node(module),
        version=version,
        tls=tls,
    )


def nginx(config, tls=False):
    return Server(
        "nginx",
        ["nginx", "-p", "{run}", "-c", "{config}"],
        needs=[needs_program("nginx")],
        version=lambda: machine.program_version("nginx", "-v"),
        config=config,
        tls=tls,
    )


def h2o(config, tls=False):
    return Server(
        "h2o",
        ["h2o", "-c", "{config}"],
        needs=[needs_program("h2o")],
        version=lambda: machine.program_version("h2o", "--version"),
        config=config,
        tls=tls,
    )


def built(name, path, *arguments, version=None, tls=False):
    return Server(
        name,
        [f"{{build}}/{path}", "--listen", "127.0.0.1:{port}", *arguments],
        needs=[needs_built(path)],
        version=version,
        tls=tls,
    )


def hello_servers():
    """Those that answer GET / with a greeting; the raw baseline first."""
    return [
        built("raw epoll", "bench/raw_epoll"),
        built("eddy", "examples/hello", version=machine.eddy_version),
        h2o("h2o.conf"),
        nginx("nginx.conf"),
        node_peer("pong.js"),
        python_peer("aiohttp", "aiohttp_pong.py", ["aiohttp", "uvloop"]),
        python_peer("gevent", "gevent_pong.py", ["gevent"]),
        python_peer("tornado", "tornado_pong.py", ["tornado"]),
    ]


def fanout_servers():
    """Those that answer GET /fanout?n=N with N bodies of the backend."""
    return [
        built("raw front", "bench/raw_front", "--backend", "{backend}"),
        built(
            "eddy",
            "examples/fanout",
            "--backend",
            "{backend}",
            version=machine.eddy_version,
        ),
        node_peer("fanout.js", "{backend}"),
        python_peer(
            "aiohttp",
            "aiohttp_fanout.py",
            ["aiohttp", "uvloop"],
            "{backend}",
        ),
        python_peer(
            "tornado", "tornado_fanout.py", ["tornado"], "{backend}"
        ),
    ]


def tls_servers():
    """Those that answer GET / and /bulk over TLS."""
    return [
        built(
            "eddy",
            "bench/bulk",
            *("--certfile", "{cert}", "--keyfile", "{key}"),
            *("--file", "{run}/bulk.bin"),
            version=machine.eddy_version,
            tls=True,
        ),
        nginx("nginx_tls.conf", tls=True),
        h2o("h2o_tls.conf", tls=True),
        node_peer("pong_tls.js", "{cert}", "{key}", tls=True),
    ]


def ws_servers():
    """Those that echo and broadcast by WebSocket; bench_ws.py has the paths."""
    eddy = {"version": machine.eddy_version}
    return [
        built("raw epoll", "bench/raw_ws"),
        built("eddy", "bench/ws", **eddy),
        built("eddy sequential", "bench/ws", **eddy),
        node_peer("ws.js", module="ws"),
        python_peer("aiohttp", "aiohttp_ws.py", ["aiohttp", "uvloop"]),
    ]


def nginx_backend():
    """Whom the clients ask."""
    return nginx("nginx.conf")


def slow_backend():
    return built("slow backend", "bench/slow_backend")


def names():
    everyone = [
        *hello_servers(),
        *fanout_servers(),
        *tls_servers(),
        *ws_servers(),
    ]
    return list(dict.fromkeys(server.short_name for server in everyone))
