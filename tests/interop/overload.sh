#!/usr/bin/env bash
#
# overload.sh - a worker that gets more requests than it may handle at once:
# bursts, clients that leave in line, and those sent away.

set -uo pipefail
# shellcheck source=tests/interop/common.bash
. "$(dirname "$0")/common.bash"
needs curl python3 cc

cc -shared -fPIC -O1 -I "$source/include" \
    "$source/tests/interop/overload_module.c" -o app.so || exit 1

begin() { # OPTION...
    serve log "$build/eddy" serve app.so --listen 127.0.0.1:0 --workers 1 \
        --ctl "$work/ctl" --vital "/count" --max-in-flight 10 "$@"
    wait_for_text log 'is ready' >/dev/null
}
end() {
    kill -TERM "$pid"
    wait "$pid"
    pids=()
}
burst() { # STAY LEAVE THERE
    rm -f go
    timeout 100 python3 "$source/tests/interop/overload_load.py" "$port" ctl "$@"
}
count() { curl -s --max-time 20 "$url/count"; }

# ---- a burst is smoothed, and nobody works for those who left ----

begin --queue-timeout 60s
expect "a burst of 500 is answered" '200: 500 503: 0 retry: 0' burst 500 0 500
expect "by no more at once than may be" 'ran 500 most 10' count
expect "those who stay are answered" '200: 250 503: 0 retry: 0' burst 250 250 250
expect "those who left are not worked for" 'ran 750 most 10' count
end

# ---- those for whom there is no room ----

begin --queue-timeout 60s --queue-limit 20
expect "what the line cannot hold is sent away, and told when to come back" \
    '200: 30 503: 470 retry: 470' burst 500 0 30
expect "without having been run" 'ran 30 most 10' count
end

begin --queue-timeout 60s --queue-limit 0 --vital "/"
expect "what is vital is never held back" '200: 500 503: 0 retry: 0' burst 500 0 500
end

tally
