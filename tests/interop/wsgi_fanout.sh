#!/usr/bin/env bash
#
# wsgi_fanout.sh - examples/wsgi: a Flask page of twenty calls, run as it is and
# with its two changed lines, both by eddy serve --wsgi.
#
# Nothing here asserts a time: only that the calls made at once take less than a
# third of what they take one after the other, and overlap at the service.

set -uo pipefail
# shellcheck source=tests/interop/common.bash
. "$(dirname "$0")/common.bash"
python=/usr/bin/python3
[ -x "$python" ] || { echo "no $python"; exit 77; }
for module in flask requests; do
    "$python" -c "import $module" 2>/dev/null || { echo "no $module"; exit 77; }
done
for file in libeddy-wsgi.so python/eddy/_eddy.abi3.so; do
    [ -e "$build/$file" ] || { echo "no $file"; exit 77; }
done
example=$source/examples/wsgi
export PYTHONDONTWRITEBYTECODE=1 PYTHONPATH=$build/python
# The interpreter leaves its own to the system.
export ASAN_OPTIONS=${ASAN_OPTIONS:-}:detect_leaks=0

CALLS=20

"$build/eddy" demo-service >service 2>service.log &
pids+=($!)
service=$(wait_for_text service '^127\.0\.0\.1:[0-9]*$') || exit 1
export SERVICES="http://$service/"

page() { # NAME QUERY: the milliseconds it took; the page is in NAME.out
    local began
    began=$(date +%s%N)
    curl -fsS --max-time 60 -o "$1.out" "${urls[$1]}/?$2" || return
    echo $((($(date +%s%N) - began) / 1000000))
}

declare -A urls
for name in plain gathered; do
    serve "$name.log" "$build/eddy" serve --wsgi "$name:app" \
        --python-path "$example" --workers 1 --threads 1 --ctl none \
        --listen 127.0.0.1:0
    urls[$name]=$url
    # Once, so that everything is loaded.
    page "$name" 'n=2&ms=1' >warm || fail "$name: $(cat "$name.log")"
done

differ() { diff "$example/plain.py" "$example/gathered.py" | grep -c '^>'; }
expect "two lines are changed" 2 differ

# The machine may be busy with something else for the moment.
for _ in 1 2 3 4 5; do
    slow=$(page plain "n=$CALLS&ms=100") || fail "plain: $(cat plain.log)"
    fast=$(page gathered "n=$CALLS&ms=100") || fail "gathered: $(cat gathered.log)"
    ((3 * fast >= slow)) || break
done
expect "all calls are in the page" "$CALLS" grep -c '^100 ms later$' plain.out
expect "gathered they make the same page" '' diff plain.out gathered.out
expect "at once takes less than a third" true \
    bash -c "(( 3 * $fast < $slow )) && echo true || echo $fast of $slow ms"

# A service that is gone is a failure of the page, not of the worker.
kill "${pids[0]}"
wait "${pids[0]}" 2>/dev/null
status() { curl -sS -o said -w '%{http_code}' "${urls[gathered]}/?n=3"; }
expect "without its service there is no page" 500 status
expect_in "the log says which call failed" ConnectError cat gathered.log

# Both print a bar and the servers that were there.
if "$python" -c "import gunicorn" 2>/dev/null; then
    compare() {
        timeout 60 "$python" "$example/compare.py" --build "$build" --calls 6 \
            --ms 50 --svg compare.svg
    }
    expect_in "compare.py runs them side by side" 'times as fast' compare
    expect_in "and draws it" 'gathered.py</text>' cat compare.svg
fi
tally
