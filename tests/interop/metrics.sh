#!/usr/bin/env bash
#
# metrics.sh - what a running server counts, as Prometheus's own client library
# for Python reads it, before and after all workers were replaced.

set -uo pipefail
# shellcheck source=tests/interop/common.bash
. "$(dirname "$0")/common.bash"
needs curl
/usr/bin/python3 -c 'import prometheus_client' 2>/dev/null ||
    { echo "no prometheus_client"; exit 77; }
unset XDG_RUNTIME_DIR
export RUNTIME_DIRECTORY=$work

admin=$(free_port)
serve log "$build/examples/hello" --listen 127.0.0.1:0 --workers 2 \
    --admin "127.0.0.1:$admin"
wait_for_port "$admin"
ask() { curl -sS --max-time 20 "http://127.0.0.1:$admin$1"; }
ctl=$(echo "$work"/eddy-hello-*.ctl)

# Prints the sum of all samples of a name with those labels; fails at what is not
# of the format, or has no type.
cat >read.py <<'EOF'
import sys
from prometheus_client.parser import text_string_to_metric_families

wanted = dict(pair.split("=", 1) for pair in sys.argv[2:])
total = 0
for family in text_string_to_metric_families(sys.stdin.read()):
    assert family.type in ("counter", "gauge", "histogram"), family
    assert family.documentation, family
    total += sum(sample.value for sample in family.samples
                 if sample.name == sys.argv[1]
                 and wanted.items() <= sample.labels.items())
print(int(total))
EOF
metric() { ask /metrics | /usr/bin/python3 read.py "$@"; } # NAME LABEL=VALUE...
# Waits until it is that much.
becomes() { # VALUE NAME LABEL=VALUE...
    for _ in $(seq 200); do
        [ "$(metric "${@:2}")" = "$1" ] && return
        sleep 0.05
    done
    metric "${@:2}"
    return 1
}

expect "both workers get ready" '' becomes 2 eddy_workers state=ready
for _ in 1 2 3 4 5; do
    curl -sS "http://127.0.0.1:$port/hello/x" >>hello.txt
done
curl -sS "http://127.0.0.1:$port/none" >/dev/null
printf 'nonsense\r\n\r\n' >"/dev/tcp/127.0.0.1/$port"

expect "replies are counted by status" '' \
    becomes 5 eddy_http_requests_total code=200
expect "those that are none, too" '' becomes 1 eddy_http_requests_total code=404
expect "what is refused" '' becomes 1 eddy_http_requests_refused_total
expect "their times" 6 metric eddy_http_request_duration_seconds_count
expect "all of which are in the last bucket" 6 \
    metric eddy_http_request_duration_seconds_bucket le=+Inf
expect "the program's name" 1 metric eddy_build_info program=hello

expect_in "a reload" '"ok":true' \
    curl -sS --unix-socket "$ctl" -d '' http://x/v1/reload
expect "starts others" '' becomes 4 eddy_workers_spawned_total
expect "and ends the ones before" '' becomes 0 eddy_workers state=draining
expect "which have counted for good" 5 metric eddy_http_requests_total code=200
expect "each time" 6 metric eddy_http_request_duration_seconds_count

expect_in "a drain" '"ok":true' \
    curl -sS --unix-socket "$ctl" -d '' http://x/v1/drain
expect "is not ready" '' becomes 0 eddy_ready
expect_in "and says so" "not ready: draining" ask /readyz
expect_in "but lives" ok ask /healthz
tally
