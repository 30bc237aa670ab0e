#!/usr/bin/env bash
#
# patch.sh - libraries that know nothing of fibers, in a hundred fibers of one
# thread: libpq, libcurl, libmariadb and hiredis, each as anybody uses them, each
# waiting 0.3 seconds. With the patch all hundred take little more than one.

set -uo pipefail
source=${EDDY_SOURCE:-$(readlink -f "$(dirname "$0")/../..")}
# shellcheck source=tests/interop/common.bash
. "$source/tests/interop/common.bash"
# shellcheck source=tests/interop/servers_common.bash
. "$source/tests/interop/servers_common.bash"
# shellcheck source=tests/interop/patch_common.bash
. "$source/tests/interop/patch_common.bash"
trap 'stop_servers; finish' EXIT
needs python3
for library in libpq libcurl libmariadb hiredis; do
    pkg-config --exists "$library" || { echo "no $library"; exit 77; }
done

CALLERS=100
WAIT=300 # ms, of one call
# One after the other they take a hundred waits. Ten of them leave room for a
# slow machine, and for servers that begin a process for each connection.
MOST=$((10 * WAIT))

# shellcheck disable=SC2046 # flags are words
compile patch_target "$source/tests/support/held.c" "-I$source/tests/support" \
    $(pkg-config --cflags --libs libpq libcurl libmariadb hiredis)

# A service that takes 0.3 seconds, for as many as ask.
cat >service.py <<'PYTHON'
import asyncio


async def serve(reader, writer):
    await reader.readuntil(b"\r\n\r\n")
    await asyncio.sleep(0.3)
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n"
                 b"Connection: close\r\n\r\nhello")
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
service=http://localhost:$(wait_for_text service.port '[0-9].*')/

start_postgres max_connections=$((CALLERS + 10))
start_redis "maxclients 1000"
# Its library does not wait for room in the line before a server that is not
# let run for the moment.
start_mariadb --max-connections=$((CALLERS + 10)) --back-log=$((CALLERS + 10))

# The machine may be busy with something else for the moment: the best of some.
all_at_once() { # LIBRARY WHERE
    local took _
    for _ in 1 2 3 4 5; do
        took=$(patched timeout 60 ./patch_target "$1" "$CALLERS" "$2" 2>errors) || {
            broken "$1 works in fibers" "$(cat errors)"
            return
        }
        echo "$1: $CALLERS calls of $WAIT ms took $took ms"
        ((took >= MOST)) || break
    done
    if ((took >= WAIT && took < MOST)); then
        kept
    else
        broken "$1: all in little more than one wait" "$took ms"
    fi
}

all_at_once libpq "$pg_dsn"
all_at_once curl "$service"
all_at_once mariadb "$mariadb_socket"
all_at_once redis "$redis_socket"

# Deadlines end calls anywhere: the libraries give up, and leave nothing.
cut_short() { # LIBRARY WHERE
    local left
    left=$(patched timeout 60 ./patch_target "$1" 50 "$2" cut 2>errors) || {
        broken "$1 bears deadlines" "$left $(tail -20 errors)"
        return
    }
    if ((left == 0)); then
        kept
    else
        broken "$1 leaves nothing behind when a deadline ends it" "$left"
    fi
}

cut_short libpq "$pg_dsn"
cut_short curl "$service"
cut_short mariadb "$mariadb_socket"
cut_short redis "$redis_socket"

# The same without the patch: one after the other. Three show it as well.
without() { # COMMAND...
    local took
    took=$("$@" ./patch_target redis 3 "$redis_socket" 2>errors)
    if ((took >= 3 * WAIT)); then
        kept
    else
        broken "without the patch, calls block: $*" "$took ms"
    fi
}
without env
without patched env EDDY_PATCH=off
without patched env EDDY_PATCH=report

# ... and who says so is told where it is, once.
patched env EDDY_PATCH=report ./patch_target redis 3 "$redis_socket" \
    >took 2>report
says() { # PROMISE COUNT PATTERN
    local count
    count=$(grep -Ec "$3" report)
    if ((count == $2)); then kept; else broken "$1" "$(cat report)"; fi
}
says "the call that blocks is named, with its fiber, once" 1 \
    "WARN  (read|recv)\(\) blocks the loop, in fiber '[a-z_]+' \(started at .*patch_target.c:[0-9]+\)"
says "libraries are in the report" 1 'redisGetReply in libhiredis'
says "so is the line of the program" 1 'WARN      call_redis at .*patch_target.c:[0-9]+'

tally
