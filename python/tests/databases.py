"""A PostgreSQL and a Redis of a test's own. Without the programs the test is
skipped."""
import glob
import os
import shutil
import subprocess
import tempfile
import unittest

from servers import Process, can_connect, free_port, needs, wait_until


def environment():
    """Ours, without what is preloaded for the sanitizers."""
    return {k: v for k, v in os.environ.items() if k != "LD_PRELOAD"}


class Folder:
    """A folder that servers run as nobody may use, if we are root."""

    def __init__(self):
        self.path = tempfile.mkdtemp(prefix="eddy-")
        os.chmod(self.path, 0o755)

    def addCleanup(self, *call):
        unittest.addModuleCleanup(*call)


def _as_nobody(*command):
    prefix = ["setpriv", "--pdeathsig", "QUIT"]
    if os.geteuid() == 0:
        prefix += ["--reuid=nobody", "--regid=nogroup", "--clear-groups"]
    return [*prefix, "--", *map(str, command)]


def start_postgres():
    """The URL of a new server, which ends with the tests of the module."""
    found = sorted(glob.glob("/usr/lib/postgresql/*/bin/initdb"))
    if not found:
        raise unittest.SkipTest("no PostgreSQL")
    bin_ = os.path.dirname(found[-1])
    folder = Folder()
    unittest.addModuleCleanup(shutil.rmtree, folder.path, True)
    own = os.path.join(folder.path, "pg")
    os.mkdir(own)
    if os.geteuid() == 0:
        shutil.chown(own, "nobody", "nogroup")
    subprocess.run(
        _as_nobody(f"{bin_}/initdb", "--pgdata", f"{own}/data",
                   "--username=postgres", "--auth=trust", "--encoding=UTF8",
                   "--locale=C.UTF-8", "--no-sync", "--wal-segsize=1"),
        check=True, capture_output=True, cwd=own, env=environment(),
    )
    port = free_port()
    settings = {
        "listen_addresses": "127.0.0.1", "port": port, "fsync": "off",
        "autovacuum": "off", "shared_buffers": "16MB",
        "dynamic_shared_memory_type": "mmap", "unix_socket_directories": own,
    }
    words = [w for k, v in settings.items() for w in ("-c", f"{k}={v}")]
    server = Process(
        folder,
        _as_nobody(f"{bin_}/postgres", "-D", f"{own}/data", *words),
        cwd=own, env=environment(),
    )
    wait_until(lambda: _up(server, port), "the start of PostgreSQL")
    ready = [f"{bin_}/pg_isready", "-q", "-h", "127.0.0.1", "-p", str(port)]
    wait_until(
        lambda: subprocess.run(ready, env=environment()).returncode == 0,
        "PostgreSQL",
    )
    return f"postgresql://postgres@127.0.0.1:{port}/postgres"


def start_redis():
    needs("redis-server")
    folder = Folder()
    unittest.addModuleCleanup(shutil.rmtree, folder.path, True)
    port = free_port()
    server = Process(
        folder,
        ["setpriv", "--pdeathsig", "KILL", "--", "redis-server", "--bind",
         "127.0.0.1", "--port", str(port), "--save", "", "--dir",
         folder.path],
        env=environment(),
    )
    wait_until(lambda: _up(server, port), "the start of Redis")
    return f"redis://127.0.0.1:{port}"


def _up(server, port):
    if server.process.poll() is not None:
        raise AssertionError(server.output())
    return can_connect(port)
