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
serve log "$build/eddy" serve app.so --listen 127.0.0.1:0 --ctl none \
    --workers 1 --max-in-flight 2 --queue-limit 4 --queue-timeout 1500ms \
    --vital '/pid'

# Eight requests of a second each: two run, two follow, two wait in vain, and
# two find the line full.
asked=()
for i in $(seq 8); do
    curl -s -o /dev/null -D "head$i" -w '%{http_code}\n' "$url/slow" >>codes &
    asked+=($!)
done
wait "${asked[@]}"
expect "those who find a place in time are answered" 4 grep -c 200 codes
expect "the others are sent away" 4 grep -c 503 codes
expect_in "and told when to come again" 'Retry-After: 1' cat head1 head2 head3 \
    head4 head5 head6 head7 head8

asked=()
for _ in 1 2 3 4 5; do
    curl -s --max-time 5 -o /dev/null "$url/slow" &
    asked+=($!)
done
sleep 0.3
expect "what watches the app does not wait" '[0-9]+ [0-9]+' \
    curl -s --max-time 0.5 "$url/pid"
wait "${asked[@]}"

# Whoever leaves while waiting: its turn is the next one's.
for _ in 1 2; do curl -s -o /dev/null "$url/slow" & done
sleep 0.2
for _ in 1 2 3; do curl -s --max-time 0.3 -o /dev/null "$url/slow" & done
sleep 0.6
began=$(date +%s%N)
expect "who has left is not waited for" 200 \
    curl -s -o /dev/null -w '%{http_code}' "$url/slow"
took=$((($(date +%s%N) - began) / 1000000))
if [ "$took" -lt 2200 ]; then kept; else broken "nor run" "$took ms"; fi
tally
