#!/usr/bin/env bash
#
# offload_wsgi.sh - what an application under `eddy serve --wsgi` fetches by the
# module `eddy` waits on the worker's own loop: there is no further thread.

set -uo pipefail
# shellcheck source=tests/interop/common.bash
. "$(dirname "$0")/common.bash"
needs curl
[[ -e $build/libeddy-wsgi.so && -d $build/python/eddy ]] ||
    { echo "no Python"; exit 77; }
# The interpreter is not built with a sanitizer.
grep -q '^EDDY_SANITIZE:STRING=.' "$build/CMakeCache.txt" && exit 77

cat >app.py <<'PYTHON'
import os
import socket
import eddy

def names():
    for task in os.listdir("/proc/self/task"):
        with open(f"/proc/self/task/{task}/comm") as comm:
            yield comm.read().strip()

def fetch():
    urls = [os.environ["BACKEND"] + "/hello/you"] * 20
    answers = eddy.gather([eddy.fetch(url) for url in urls], timeout=30)
    return {answer.text for answer in answers}

def held(port):
    "How many connections of clients this process holds."
    count = 0
    for fd in os.listdir("/proc/self/fd"):
        try:
            with socket.socket(fileno=os.dup(int(fd))) as connection:
                connection.getpeername()
                count += connection.getsockname()[1:] == (int(port),)
        except OSError:
            pass
    return count

early = fetch() if "EARLY" in os.environ else None

def app(environ, start_response):
    pid = os.fork() if environ["PATH_INFO"] == "/fork" else None
    if pid == 0:
        os._exit(held(environ["SERVER_PORT"]) + 100 * (len(fetch()) != 1))
    if pid:
        status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        text = f"{held(environ['SERVER_PORT'])} held, child {status}\n"
    else:
        text = f"{fetch()} {'eddy-offload' in names()}\n"
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [text.encode()]
PYTHON

serve hello.log "$build/examples/hello" --listen 127.0.0.1:0
export BACKEND=$url PYTHONPATH=$build/python
fetched="\{'Hello, you!\\\\n'\} False"

serve wsgi.log "$build/eddy" serve --wsgi app:app -w 1 -t 3 --listen 127.0.0.1:0
expect "twenty are fetched without a thread" "$fetched" curl -s "$url/"
expect "again" "$fetched" curl -s "$url/"
expect "its child holds no client, and fetches by a loop of its own" \
    "1 held, child 0" curl -s "$url/fork"
expect "and the parent goes on" "$fetched" curl -s "$url/"

EARLY=1 serve early.log "$build/eddy" serve --wsgi app:app -w 1 -t 3 \
    --listen 127.0.0.1:0
expect "the same when it fetched while it was loaded" "$fetched" \
    curl -s "$url/"
EARLY=1 serve preload.log "$build/eddy" serve --wsgi app:app -w 2 --preload \
    --listen 127.0.0.1:0
expect "and loaded before the workers were made" "$fetched" curl -s "$url/"
tally
