#!/usr/bin/env bash
#
# patch_waits.sh - libraries that wait for children, semaphores, conditions, locks
# and sets of epoll, in a hundred fibers of one thread: GLib and libuv, as anybody
# uses them. Each waits for 0.3 seconds, and all take little more than one.

set -uo pipefail
source=${EDDY_SOURCE:-$(readlink -f "$(dirname "$0")/../..")}
# shellcheck source=tests/interop/common.bash
. "$source/tests/interop/common.bash"
# shellcheck source=tests/interop/patch_common.bash
. "$source/tests/interop/patch_common.bash"
for library in glib-2.0 libuv; do
    pkg-config --exists "$library" || { echo "no $library"; exit 77; }
done

CALLERS=100
WAIT=300 # ms, of one call
# One after the other they take a hundred waits. Ten of them leave room for a
# slow machine, which also starts a hundred processes.
MOST=$((10 * WAIT))
LEAST=$((WAIT * 9 / 10)) # GLib rounds by clocks of its own

# shellcheck disable=SC2046 # flags are words
compile patch_waits $(pkg-config --cflags --libs glib-2.0 libuv)

# The machine may be busy with something else for the moment: the best of some.
all_at_once() { # WHAT
    local took _
    for _ in 1 2 3 4 5; do
        # What GLib keeps is its own.
        took=$(ASAN_OPTIONS=detect_leaks=0 patched timeout 60 \
            ./patch_waits "$1" "$CALLERS" 2>errors) || {
            broken "$1 is waited for in fibers" "$(cat errors)"
            return
        }
        echo "$1: $CALLERS waits of $WAIT ms took $took ms"
        ((took >= MOST)) || break
    done
    if ((took >= LEAST && took < MOST)); then
        kept
    else
        broken "$1: all in little more than one wait" "$took ms"
    fi
}

for what in child loop sem cond rwlock; do all_at_once $what; done

# Without the patch, one after the other. Three show it as well.
took=$(timeout 60 ./patch_waits child 3)
if ((took >= 3 * WAIT)); then
    kept
else
    broken "without the patch, waiting for a child blocks" "$took ms"
fi

# ... and who says so is told where it is.
patched env EDDY_PATCH=report ASAN_OPTIONS=detect_leaks=0 \
    ./patch_waits child 1 >took 2>report
if grep -Eq 'WARN  (read|poll|waitpid)\(\) blocks the loop' report; then
    kept
else
    broken "the call that blocks is told" "$(cat report)"
fi

tally
