#!/usr/bin/env bash
#
# slow.sh - slow clients by the hundred (slowhttptest: heads, bodies and reads
# that crawl) leave the server answering others.
#
# "In time" is generous, since machines differ: a server with all its fibers
# or its loop held up would not answer at all.

set -uo pipefail
# shellcheck source=tests/interop/common.bash
. "$(dirname "$0")/common.bash"
needs curl slowhttptest
connections=200
seconds=8

serve log "$build/examples/mirror" --single --listen 127.0.0.1:0

# How many connections the server has.
open() { find "/proc/$pid/fd" -lname 'socket:*' | wc -l; }

# Asks again and again while an attack is under way.
attack() { # NAME OPTION...
    local name=$1 answered=0 most=0 now
    slowhttptest "${@:2}" -c $connections -r $connections -l $seconds \
        -u "$url/" >"$name.log" 2>&1 &
    attack=$!
    while kill -0 $attack 2>/dev/null; do
        if [ "$(curl -s --max-time 20 "$url/")" != OK ]; then
            echo "failed: $name: no answer after $answered"
            failed=$((failed + 1))
            break
        fi
        answered=$((answered + 1))
        now=$(open)
        [ "$now" -gt "$most" ] && most=$now
        sleep 0.1
    done
    kill $attack 2>/dev/null
    wait $attack
    echo "$name: $answered answers beside up to $most connections"
    if [ "$most" -lt $((connections / 2)) ]; then
        echo "failed: $name: the attack did not take place"
        cat "$name.log"
        failed=$((failed + 1))
    fi
}

attack heads -H -i 2 -x 24
attack bodies -B -i 2 -s 8192 -x 10
# Pipelined requests whose replies are read a byte a second.
attack reads -X -w 1 -y 64 -n 2 -z 8 -k 3

kill -TERM $pid
wait $pid || { echo "failed: the server ended with $?"; failed=1; }
[ "$failed" -eq 0 ]
