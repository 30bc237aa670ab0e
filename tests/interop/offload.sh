#!/usr/bin/env bash
#
# offload.sh - programs without a loop that fetch: the example, and a host that
# loads the library only while it runs.

set -uo pipefail
# shellcheck source=tests/interop/common.bash
. "$(dirname "$0")/common.bash"

serve hello.log "$build/examples/hello" --listen 127.0.0.1:0
offload=$build/examples/offload

expect "one URL is shown" "Hello, you!" "$offload" "$url/hello/you"
expect_in "several are told of" "200       14 bytes" "$offload" "$url/" "$url/"
expect_in "so are failures" "404 " "$offload" "$url/" "$url/nobody"
expect_in "what cannot be fetched is told" "(ED_ECONNECT), of 'fetch' at " \
    "$offload" "$url/" http://127.0.0.1:1/
expect_in "with its place" "examples/offload.c:" \
    "$offload" "$url/" http://127.0.0.1:1/
expect_in "what can be is shown all the same" "200 " \
    "$offload" http://127.0.0.1:1/ "$url/"
"$offload" "$url/" http://127.0.0.1:1/ >/dev/null 2>&1 && broken "its status" 0

# A sanitizer's library cannot be loaded late.
grep -q '^EDDY_SANITIZE:STRING=.' "$build/CMakeCache.txt" && { tally; exit; }
have python3 || { tally; exit; }
cat >late.py <<'PYTHON'
import ctypes, os, sys

lib = ctypes.CDLL(sys.argv[1])
lib.ed_offload_fetch_at_.restype = ctypes.c_void_p
lib.ed_offload_fetch_at_.argtypes = [ctypes.c_void_p] + [ctypes.c_char_p] * 2 + \
    [ctypes.c_void_p]
lib.ed_ticket_wait.argtypes = [ctypes.c_void_p, ctypes.c_int64]
lib.ed_ticket_res.restype = lib.ed_ticket_failure.restype = ctypes.c_void_p
lib.ed_ticket_res.argtypes = lib.ed_ticket_failure.argtypes = [ctypes.c_void_p]
lib.ed_ticket_failure.restype = lib.ed_res_text.restype = ctypes.c_char_p
lib.ed_res_text.argtypes = lib.ed_ticket_free.argtypes = [ctypes.c_void_p]

def fetch():
    size = ctypes.c_size_t(ctypes.sizeof(ctypes.c_size_t))  # no option at all
    ticket = lib.ed_offload_fetch_at_(None, sys.argv[2].encode(), b"late.py",
                                      ctypes.byref(size))
    if lib.ed_ticket_wait(ticket, 30 * 10**9):
        sys.exit(lib.ed_ticket_failure(ticket).decode())
    text = lib.ed_res_text(lib.ed_ticket_res(ticket)).decode()
    lib.ed_ticket_free(ticket)
    return text.strip(), len(os.listdir("/proc/self/task"))

print(*fetch(), flush=True)
pid = os.fork()
if not pid:
    print(*fetch(), flush=True)
    os._exit(0)
os.waitpid(pid, 0)
print(*fetch())
PYTHON
# From 3.12 on Python warns of a fork beside threads.
expect "a library loaded late works, before and after a fork, in 2 threads" \
    $'Hello, world! 2\nHello, world! 2\nHello, world! 2' \
    python3 -W ignore::DeprecationWarning late.py "$build/libeddy.so" "$url/"
tally
