#!/usr/bin/env bash
#
# patch_outside.sh - the patch where it has nothing to do: outside of fibers the
# same calls reach the system in the same order, programs without Eddy run as
# ever; and the ways to have it: preloaded or linked, with the library in both
# its shapes, without it.

set -uo pipefail
source=${EDDY_SOURCE:-$(readlink -f "$(dirname "$0")/../..")}
# shellcheck source=tests/interop/common.bash
. "$source/tests/interop/common.bash"
# shellcheck source=tests/interop/patch_common.bash
. "$source/tests/interop/patch_common.bash"
needs python3

# ---- nothing changes ----

# What the system is asked from one mark to the other, without addresses and
# times.
calls() { # FOLDER MARK
    sed -n "/\"$2\"/,/\"end\"/p" "$1"/* |
        sed -E 's/0x[0-9a-f]+/ADDRESS/g; s/tv_n?u?sec=[0-9]+/TIME/g
            s/left \{[^}]*\}/left/g'
}

seen_by_strace() {
    local how mark
    # A sanitizer asks the system things of its own.
    ! sanitized || return 0
    if ! strace -o /dev/null true 2>/dev/null; then
        echo "without strace"
        return
    fi
    compile patch_outside -D_GNU_SOURCE
    mkdir plain patched
    strace -ff -o plain/calls ./patch_outside
    strace -E LD_PRELOAD="$build/libeddy-patch.so" -ff -o patched/calls \
        ./patch_outside
    for mark in "without a loop" "on a thread"; do
        for how in plain patched; do calls $how "$mark" >"$how.$mark"; done
        if (($(wc -l <"plain.$mark") > 30)) &&
            diff "plain.$mark" "patched.$mark" >difference; then
            kept
        else
            broken "calls are the same $mark" "$(cat difference)"
        fi
    done
}
seen_by_strace

# What others leave behind is theirs.
stranger() { ASAN_OPTIONS=detect_leaks=0 patched timeout 60 "$@"; }

echo text >file
expect "a program without Eddy runs as ever" 'text' stranger cat file
# Its allocator locks before anything else has happened.
if have redis-server && ! sanitized; then
    expect_in "so does one with an allocator of its own" 'malloc=jemalloc' \
        stranger redis-server --version
fi
expect "so does one with threads, sockets and a child" 'done' stranger python3 -c '
import concurrent.futures, socket, subprocess, time
with concurrent.futures.ThreadPoolExecutor(4) as pool:
    list(pool.map(time.sleep, [0.01] * 8))
a, b = socket.socketpair()
a.send(b"x")
assert b.recv(1) == b"x"
socket.getaddrinfo("localhost", 80)
print(subprocess.run(["echo", "done"], capture_output=True, text=True).stdout,
      end="")'

# ---- the ways to have it ----

cat >service.py <<'PYTHON'
import asyncio


async def serve(reader, writer):
    await reader.readuntil(b"\r\n\r\n")
    await asyncio.sleep(0.3)
    writer.write(b"HTTP/1.0 200 fine\r\n\r\n")
    await writer.drain()
    writer.close()


async def main():
    server = await asyncio.start_server(serve, "127.0.0.1", 0, backlog=256)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


asyncio.run(main())
PYTHON
python3 service.py >service.port &
pids+=($!)
port=$(wait_for_text service.port '[0-9].*')

# Fifty waits one after the other, or little more than one; ten leave room for
# a slow machine.
servers=()
for _ in $(seq 50); do servers+=("localhost:$port"); done
asks_all_at_once() { # PROMISE COMMAND...
    local began took
    began=$(date +%s%N)
    "${@:2}" "${servers[@]}" >answers 2>&1
    took=$((($(date +%s%N) - began) / 1000000))
    if (($(grep -c "^localhost:$port: HTTP/1.0 200 fine$" answers) == 50)) &&
        ((took < 3000)); then
        kept
    else
        broken "$1" "$took ms: $(sort answers | uniq -c | head)"
    fi
}

asks_all_at_once "preloaded, with the static library" \
    patched "$build/examples/patch"

build_example() { # NAME FLAG...
    local sanitize
    sanitize=$(sed -n 's/^EDDY_SANITIZE:STRING=//p' "$build/CMakeCache.txt")
    cc -std=gnu17 -g ${sanitize:+"-fsanitize=$sanitize"} \
        "$source/examples/patch.c" -I"$source/include" -L"$build" \
        -Wl,-rpath,"$build" -Wl,--no-as-needed "${@:2}" -o "$1" || exit 1
}
build_example shared -leddy
asks_all_at_once "preloaded, with the shared library" patched ./shared
build_example linked -leddy-patch -leddy
asks_all_at_once "linked" ./linked

expect "a program can tell that the patch is not there" \
    'patch: run me with LD_PRELOAD=libeddy-patch.so' ./shared localhost:1
expect_in "an unknown mode is told" \
    "EDDY_PATCH: unknown mode 'yes' (on, off or report)" \
    env EDDY_PATCH=yes ./linked "localhost:$port"
expect "names and connections that fail are told" \
    '127.0.0.1:1: Connection refused' ./linked 127.0.0.1:1

tally
