#!/usr/bin/env bash
#
# tutorial.sh - the programs of the tutorial do what the tutorial says.

set -uo pipefail
examples=${EDDY_BUILD:?names a build directory}/examples
work=$(mktemp -d)
running=()
stop() {
    ((${#running[@]} == 0)) || kill "${running[@]}" 2>/dev/null
    wait
    running=()
}
trap 'stop; rm -rf "$work"' EXIT
cd "$work" || exit
passed=0
failed=0

start() { # NAME PROGRAM [OPTION...]; sets $url and $pid
    : >"$1.log"
    "$examples/$2" --listen 127.0.0.1:0 "${@:3}" 2>"$1.log" &
    pid=$!
    running+=("$pid")
    until url=$(grep -o 'http://127.*' "$1.log"); do
        kill -0 "$pid" || return
        sleep 0.02
    done
}

expect() { # PROMISE COMMAND...
    if "${@:2}"; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        echo "failed: $1"
        cat ./*.log answer 2>/dev/null
    fi
}

fetch() { curl -s -m 20 -o answer -w '%{http_code}' "$url/" >status; }
answered() { fetch && [[ $(<status) == "$1" ]]; } # STATUS
parts() { # COUNT
    answered 200 && [[ $(grep -o '"part":' answer | wc -l) == "$1" ]]
}
last_part_is() { # N
    answered 200 && tail -n 1 answer | grep -q "\"part\":$1,"
}
without_part_13() {
    answered 200 && grep -q '"missing":[1-9]' answer &&
        ! grep -q '"part":13,' answer
}

# Part 13 takes 1000 ms: twice the deadline of the third program.
start service tutorial_service --ms 50
service=$url
service_pid=$pid

start one tutorial_1 --service "$service"
expect "one after the other brings all parts" parts 20

start two tutorial_2 --service "$service"
expect "all at once brings all parts" parts 20
two=$url

start three tutorial_3 --service "$service"
expect "the deadline leaves the slow part out" without_part_13
expect "and the log names it" grep -qE 'part/13: (deadline passed|Gateway Timeout)' \
    three.log

start four tutorial_4 --service "$service"
expect "the slow part comes last" last_part_is 13

kill "$service_pid"
wait "$service_pid"
expect "a stream of parts tells each failure" answered 200
expect "by name" grep -q '"error":"ED_ECONNECT"' answer
url=$two
expect "a page without its service is an honest 502" answered 502

stop
echo "$passed passed, $failed failed"
((failed == 0))
