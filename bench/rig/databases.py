"""A PostgreSQL and a Redis for benchmarks: all peers ask the same server.

Each lives in a folder of its own, listens on a unix socket there, and has the
same contents: 10,000 rows, and as many keys, of a few bytes.
"""
import glob
import os
import pathlib
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time

from . import machine, servers

ROWS = 10000
START_TIMEOUT_S = 20
STOP_TIMEOUT_S = 20

# What matters to answering from memory, and what would disturb a run.
POSTGRES_SETTINGS = {
    "listen_addresses": "",
    "shared_buffers": "128MB",
    "max_connections": "100",
    "fsync": "off",
    "autovacuum": "off",
    "checkpoint_timeout": "1h",
    "jit": "off",
}
POSTGRES_TABLE = f"""
create table world (id int primary key, randomnumber int not null);
insert into world
    select n, (random() * {ROWS})::int from generate_series(1, {ROWS}) n;
vacuum analyze world;
"""


class Database:
    """A server's process and folder; ended by the id of that process."""

    def __init__(self):
        self._folder = None
        self._process = None

    def missing(self):
        """Why it cannot be started here, or None."""
        raise NotImplementedError

    def start(self):
        self._folder = pathlib.Path(tempfile.mkdtemp(prefix="eddy-bench-"))
        self._folder.chmod(0o755)
        self._start()

    def stop(self):
        if self._process:
            # PostgreSQL ends without waiting for clients, Redis as for TERM.
            self._process.send_signal(signal.SIGINT)
            try:
                self._process.wait(STOP_TIMEOUT_S)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
            self._process = None
        if self._folder:
            shutil.rmtree(self._folder, ignore_errors=True)
            self._folder = None

    def _run(self, command, ready, prepare=None):
        with open(self._folder / "log", "wb") as log:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self._folder,
                start_new_session=True,
                preexec_fn=prepare,
            )
        deadline = time.monotonic() + START_TIMEOUT_S
        while not ready():
            if self._process.poll() is not None or (
                time.monotonic() > deadline
            ):
                log = (self._folder / "log").read_text(errors="replace")
                raise servers.Failed(f"{command[0]}: {log[-300:]}")
            time.sleep(0.02)


def everywhere():
    """PostgreSQL has a process for each connection. On one processor it would
    be what is measured: all of the clients would be as slow as it."""
    os.sched_setaffinity(0, set(range(os.cpu_count())))


def off_the_clients_processor():
    """Redis has one thread, and keeps away from the client."""
    os.sched_setaffinity(0, {machine.generator_cpu()})


class Postgres(Database):
    """`dsn` is what libpq connects to, `uri` the same for those who know no
    other; `world` is the table."""

    @property
    def dsn(self):
        return f"host={self._folder} port=5432 user=postgres dbname=postgres"

    @property
    def uri(self):
        return f"postgresql://postgres@/postgres?host={self._folder}"

    @staticmethod
    def program(name):
        found = sorted(glob.glob(f"/usr/lib/postgresql/*/bin/{name}"))
        return found[-1] if found else machine.program(name)

    def missing(self):
        return None if self.program("initdb") else "PostgreSQL: not installed"

    def version(self):
        return machine.program_version(self.program("postgres"), "--version")

    def _start(self):
        data = self._folder / "data"
        if os.geteuid() == 0:  # whom it refuses to run as
            nobody = pwd.getpwnam("nobody")
            os.chown(self._folder, nobody.pw_uid, nobody.pw_gid)
        subprocess.run(
            unprivileged(
                self.program("initdb"),
                *("--pgdata", data, "--username", "postgres"),
                *("--auth", "trust", "--encoding", "UTF8", "--no-sync"),
                *("--locale", "C.UTF-8"),
            ),
            cwd=self._folder,
            stdout=subprocess.DEVNULL,
            check=True,
        )
        settings = [
            word
            for name, value in POSTGRES_SETTINGS.items()
            for word in ("-c", f"{name}={value}")
        ]
        self._run(
            unprivileged(
                self.program("postgres"),
                *("-D", data, "-k", self._folder, *settings),
            ),
            self._is_ready,
            everywhere,
        )
        subprocess.run(
            [self.program("psql"), "-X", "-q", "-d", self.dsn],
            input=POSTGRES_TABLE.encode(),
            check=True,
        )

    def _is_ready(self):
        return not subprocess.run(
            [self.program("pg_isready"), "-q", "-d", self.dsn]
        ).returncode


def unprivileged(*command):
    words = [str(word) for word in command]
    if os.geteuid() != 0:
        return words
    who = ["--reuid=nobody", "--regid=nogroup", "--clear-groups"]
    return ["setpriv", *who, *words]


class Redis(Database):
    """`socket` is its path; the keys are key:000000000000 and so on."""

    @property
    def socket(self):
        return self._folder / "redis.sock"

    def missing(self):
        return servers.needs_program("redis-server")()

    def version(self):
        return machine.program_version("redis-server", "--version")

    def _start(self):
        self._run(
            [
                "redis-server",
                *("--port", "0", "--unixsocket", str(self.socket)),
                *("--save", "", "--appendonly", "no"),
            ],
            self._is_ready,
            off_the_clients_processor,
        )
        with socket.socket(socket.AF_UNIX) as s, s.makefile("rb") as replies:
            s.connect(str(self.socket))
            for n in range(ROWS):
                s.sendall(b"SET key:%012d value-%05d\r\n" % (n, n))
                if replies.readline() != b"+OK\r\n":
                    raise servers.Failed("Redis does not take keys")

    def _is_ready(self):
        try:
            with socket.socket(socket.AF_UNIX) as s:
                s.connect(str(self.socket))
                return True
        except OSError:
            return False
