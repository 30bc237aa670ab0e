#!/usr/bin/env bash
#
# admission.sh - a burst that is more than a worker may handle at once: those
# that cannot wait are sent away, those who left are never run, and what
# watches the app is always answered.

set -uo pipefail
# shellcheck source=tests/interop/common.bash
. "$(dirname "$0")/common.bash"
needs curl cc

cc -shared -fPIC -O1 -I "$source/include" -DTEXT='"one"' \
    "$source/tests/interop/serve_module.c" -o app.so || exit 1

# Two requests are handled at once; handlers of /held go on when there is a file
# "go", so that nothing here depends on how long anything takes.
begin() { # QUEUE-TIMEOUT
    rm -f go codes
    serve log "$build/eddy" serve app.so --listen 127.0.0.1:0 --ctl "$work/ctl" \
        --workers 1 --max-in-flight 2 --queue-limit 4 --queue-timeout "$1" \
        --vital '/pid'
    wait_for_text log 'is ready' >/dev/null
}
end() {
    kill -TERM "$pid"
    wait "$pid"
    pids=()
}
asked=()
ask_held() { # COUNT
    local _
    for _ in $(seq "$1"); do
        curl -s -o /dev/null -D "head${#asked[@]}" -w '%{http_code}\n' \
            "$url/held" >>codes &
        asked+=($!)
    done
}
# Waits until so many are handled and so many stand in line.
until_there() { # HANDLED IN-LINE
    local seen _
    for _ in $(seq 400); do
        seen=$("$build/eddy" ctl --socket "$work/ctl" workers --json)
        [[ $seen == *"\"in_flight\":$1,\"queued\":$2,"* ]] && return
        sleep 0.05
    done
    fail "not $1 at work and $2 in line: $seen"
}
code() { curl -s --max-time 20 -o /dev/null -D head -w '%{http_code}' "$url$1"; }

# ---- a line that is full ----

begin 60s
ask_held 2
until_there 2 0
ask_held 4
until_there 2 4
expect "who finds the line full is sent away" 503 code /held
expect "and told when to come again" 1 grep -c '^Retry-After: [1-9]' head
expect "what watches the app does not wait" 200 code /pid
touch go
wait "${asked[@]}"
expect "those who found a place are answered" 6 grep -c 200 codes

# ---- those who leave the line ----

rm go
asked=()
ask_held 2
until_there 2 0
waiting=("${asked[@]}")
asked=()
ask_held 3
until_there 2 3
kill "${asked[@]}"
until_there 2 0
kept # who has left stands in line no more, and both who are at work still are
touch go
expect "who comes then is answered" 200 code /held
wait "${waiting[@]}" "${asked[@]}"
end

# ---- those who wait in vain ----

begin 300ms
asked=()
ask_held 2
until_there 2 0
expect "nobody waits for longer than may be" 503 code /held
expect "and is told when to come again" 1 grep -c '^Retry-After: [1-9]' head
touch go
wait "${asked[@]}"
expect "those at work are not hurried" 2 grep -c 200 codes
end
tally
