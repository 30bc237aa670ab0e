#!/usr/bin/env bash
#
# telemetry.sh - what a server tells others, as a strict OTLP collector and the
# statsd of Etsy take it.

set -uo pipefail
# shellcheck source=tests/interop/common.bash
. "$(dirname "$0")/common.bash"
needs curl python3 cc
export CPATH="$source/src"
compile telemetry_target

collector=$(free_port)
python3 "$source/tests/interop/otlp_collector.py" "$collector" spans &
pids+=($!)
wait_for_port "$collector"

statsd_js=$source/build/npm/node_modules/statsd/stats.js
statsd=$(free_port)
if have node && [ -f "$statsd_js" ]; then
    echo "{ port: $statsd, address: '127.0.0.1', mgmt_port: $(free_port)," \
        "flushInterval: 1000, deleteIdleStats: true," \
        "backends: ['./backends/console'] }" >statsd.config
    (cd "$(dirname "$statsd_js")" && exec node stats.js "$work/statsd.config") \
        >statsd.log 2>&1 &
    pids+=($!)
    wait_for_text statsd.log 'server is up' >/dev/null
else
    echo "doing without a real statsd"
fi

serve target.log ./telemetry_target "http://127.0.0.1:$collector" \
    "127.0.0.1:$statsd" access.log
for name in Ada Bob; do
    curl -s "$url/hello/$name" >/dev/null
done
curl -s -o /dev/null "$url/none"
curl -s -o /dev/null "$url/fetching" \
    -H "traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
# What statsd has counted, in all of its reports: those of a busy machine may
# come in several.
counted() { # NAME
    python3 - "$1" <<'PYTHON'
import re, sys
reports = re.findall(r"\bcounters: \{(.*?)\}", open("statsd.log").read(), re.S)
name = re.escape(sys.argv[1])
print(sum(int(n) for r in reports for n in re.findall(rf"'{name}': (\d+)", r)))
PYTHON
}
if [ -f statsd.log ]; then
    for _ in $(seq 200); do [ "$(counted eddy.requests)" -lt 5 ] || break; sleep 0.1; done
fi

kill -TERM "$pid"
wait "$pid"
expect "it ends well" 0 echo $?

# ---- the collector ----

trace=4bf92f3577b34da6a3ce929d0e0e4736
expect "nothing that came was wrong" '' grep wrong spans
expect "requests are spans with a route" 3 \
    grep -c '^2 GET /hello/{name} [0-9a-f]* [0-9a-f]* [-0-9a-f]* 200$' spans
expect "one without a route has none in its name" 1 \
    grep -c '^2 GET [0-9a-f]* [0-9a-f]* - 404$' spans
expect "a trace goes on" 3 grep -c " $trace " spans
server=$(awk -v t=$trace '$2 == "GET" && $3 == "/fetching" { print $5 }' spans)
fetch=$(awk -v p="$server" '$1 == 3 && $5 == p { print $4 }' spans)
expect "the fetch is below its request" '[0-9a-f]{16}' echo "$fetch"
expect "and what it fetched is below it" 1 \
    grep -c "^2 GET /hello/{name} $trace [0-9a-f]* $fetch 200$" spans

# ---- the others ----

expect "each request has a line" 5 grep -c '"GET /' access.log
if [ -f statsd.log ]; then
    expect "statsd counts requests" 5 counted eddy.requests
    expect "and statuses" 1 counted eddy.request.status.404
    expect_in "and has durations" "'eddy.request.duration': [" cat statsd.log
    expect_in "nothing was malformed" "'statsd.bad_lines_seen': 0" cat statsd.log
fi

tally
