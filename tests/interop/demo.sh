#!/usr/bin/env bash
#
# demo.sh - eddy demo leads to three demos, answers as it says, draws what it
# measured, and takes its service processes with it however it ends.
#
# Nothing here asserts a time: only that calls made at once take less than half
# of what they take one after the other.

set -uo pipefail
here=$(dirname "$(readlink -f "$0")")
eddy=${EDDY_BUILD:?names a build directory}/eddy
work=$(mktemp -d)
demo= # its process
passed=0
failed=0
mkdir "$work/tmp" "$work/bare"

# Ends what a failed test may have left.
finish() {
    [[ -z $demo ]] || kill -9 "$demo" 2>/dev/null
    rm -rf "$work"
}
trap finish EXIT

check() { # PROMISE COMMAND...
    if "${@:2}" >"$work/said" 2>&1; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        printf 'failed: %s\n' "$1"
        cat "$work/said"
    fi
}

eventually() { # COMMAND...
    local i
    for ((i = 0; i < 300; i++)); do
        "$@" >/dev/null 2>&1 && return
        sleep 0.1
    done
    echo "never: $*"
    return 1
}

# What compares times: the machine may be busy with something else for the
# moment, and what is not so is never so.
at_best() { # COMMAND...
    local _
    for _ in 1 2 3 4 5; do "$@" && return; done
    return 1
}

start_demo() {
    : >"$work/out" # what an earlier one has said there
    TMPDIR=$work/tmp "$eddy" demo --listen 127.0.0.1:0 --services 3 \
        >"$work/out" 2>"$work/err" &
    demo=$!
    eventually grep -q 'Ctrl-C' "$work/out" || {
        cat "$work/out" "$work/err"
        return 1
    }
    url=$(grep -o 'http://127.0.0.1:[0-9]*/' "$work/out" | head -n 1)
    services=$(ps -o pid= --ppid "$demo" | tr -s ' \n' ',' | sed 's/^,\|,$//g')
}

# What /fanout answers, and an expression over it, as Python.
fanout() { # QUERY EXPRESSION
    curl -fsS "${url}fanout?format=json&$1" -o "$work/json" &&
        python3 - "$work/json" "$2" <<'PYTHON'
import json
import sys

page = json.load(open(sys.argv[1]))
if not eval(f"({sys.argv[2]})", page):
    sys.exit(f"not {sys.argv[2]}: {json.dumps(page)}")
PYTHON
}

# A demo that starts in vain, and what it says.
complains() { # STATUS TEXT ARGUMENT...
    local status=0
    timeout 20 "$eddy" demo "${@:3}" >"$work/body" 2>&1 || status=$?
    cat "$work/body"
    [[ $status == "$1" ]] && grep -qF -- "$2" "$work/body"
}

status_is() { # STATUS CURL-ARGUMENTS...
    local status
    status=$(curl -sS -o "$work/body" -w '%{http_code}' "${@:2}") &&
        [[ $status == "$1" ]] || {
        echo "status $status"
        cat "$work/body"
        return 1
    }
}

refuses() { # QUERY WHAT-IT-SAYS
    status_is 400 "${url}fanout?$1" && grep -qF -- "$2" "$work/body"
}

says() { # TEXT CURL-ARGUMENTS...
    curl -fsS -o "$work/body" "${@:2}" && grep -qF -- "$1" "$work/body" || {
        cat "$work/body"
        return 1
    }
}

# Every link of a page to this server leads somewhere.
links_lead_somewhere() { # PATH
    local link count=0
    for link in $(curl -fsS -H 'Accept: text/html' "$url$1" |
        grep -o 'href="/[^"]*"' |
        sed 's/href="\/\(.*\)"/\1/; s/&amp;/\&/g'); do
        status_is 200 "$url$link" || return
        count=$((count + 1))
    done
    ((count > 1))
}

# Without an error on the browser's console.
draws_bars() { # COUNT
    local bars
    bars=$("$here/browser.py" "${url}fanout?n=$1&ms=20" \
        --until "document.querySelector('#verdict').textContent" \
        --eval "['#sequential .bar', '#parallel .bar', '.bar.open'].map(
            s => document.querySelectorAll(s).length).join(' ')") &&
        echo "$bars" && [[ $bars == "\"$1 $1 0\"" ]]
}

# Messages come by themselves, and the chat can be asked who is there.
shows_what_goes_on() {
    "$here/browser.py" "$url" \
        --until "document.querySelectorAll('#lines li').length == 4 &&
            /[0-9] messages/.test(document.querySelector('#pace').textContent)
            && /first/.test(document.querySelector('#people').textContent)"
}

# What a stream of events begins with.
streams() { # TEXT PATH
    local status=0
    curl -sN -m 30 "$url$2" >"$work/body" &
    eventually grep -q -- "$1" "$work/body" || status=1
    kill $!
    return $status
}

# ---- the page in Python ----

# The line about one of its servers.
way() { # MODE
    grep "^$1 " "$work/python"
}
took() { way "$1" | grep -o '[0-9]* ms' | grep -o '[0-9]*'; }
asks_for_python() { # QUERY
    curl -fsS "${url}wsgi?$1" -o "$work/python" && cat "$work/python" &&
        [[ $(grep -cE '^(gunicorn|uwsgi|eddy) ' "$work/python") == 3 ]]
}
is_faster() { # MODE THAN
    asks_for_python 'n=8&ms=50' >/dev/null && (("$(took "$1")" * 2 < "$(took "$2")"))
}
draws_calls() { # COUNT
    local bars
    bars=$("$here/browser.py" "${url}wsgi?n=$1&ms=20&visitors=2" \
        --until "document.querySelector('#go').textContent == 'Run'" \
        --eval "['#eddy .bar', '.bar.open', 'mark'].map(
            s => document.querySelectorAll(s).length).join(' ')") &&
        echo "$bars" && [[ $bars == "\"$((2 * $1)) 0 4\"" ]]
}
tells_what_is_missing() {
    "$here/browser.py" "${url}wsgi" \
        --until "document.querySelectorAll('.why:not([hidden])').length == 3 &&
            /None of the three/.test(document.querySelector('#verdict')
                .textContent)"
}

# A zombie has ended, too: whoever adopts it will reap it.
living_services() { ps -o stat= -p "$services" | grep -cv '^Z'; }
services_are_gone() { [[ $(living_services) == 0 ]]; }
runs_services() { [[ $(living_services) == 3 ]]; }

demo_ends() { # STATUS
    local status=0
    wait "$demo" || status=$?
    demo=
    [[ $status == "$1" ]] || {
        echo "exit status $status"
        return 1
    }
}

check "the demo starts" start_demo
check "services are processes of their own" runs_services

check "at once takes less than half of one after the other" at_best fanout \
    'n=8&ms=60&mode=both' 'parallel["total_ms"] < sequential["total_ms"] / 2'
check "one after the other, nothing overlaps" fanout 'n=4&ms=10&mode=sequential' \
    'all(b["start_ms"] >= a["end_ms"] for a, b in
         zip(sequential["calls"], sequential["calls"][1:]))'
check "at once, all begin before any ends" at_best fanout 'n=8&ms=100&mode=parallel' \
    'max(c["start_ms"] for c in parallel["calls"]) <
     min(c["end_ms"] for c in parallel["calls"])'
check "only what was asked for is made" fanout 'n=1&ms=1&mode=parallel' \
    '"sequential" not in globals() and len(parallel["calls"]) == 1'
check "calls succeed" fanout 'n=50&ms=1&spread=0' \
    'all(c["status"] == 200 for c in sequential["calls"] + parallel["calls"])'
check "times are in order" fanout 'n=9&ms=5' \
    'all(0 <= c["start_ms"] <= c["connected_ms"] <= c["first_byte_ms"] <=
         c["end_ms"] for c in sequential["calls"] + parallel["calls"])'

check "people get text" says 'All at once is' "${url}fanout?n=2&ms=5"
check "programs get JSON" says '"speedup":' -H 'Accept: application/json' \
    "${url}fanout?n=2&ms=5"
check "pages hear of each call" says 'event: end' \
    "${url}fanout?n=2&ms=5&format=events"

check "too many calls are refused" refuses 'n=51' 'n=51 is not within 1 to 50'
check "no calls are refused" refuses 'n=0' 'n=0 is not within'
check "what is no number is refused" refuses 'n=many' 'n=many is not a whole'
check "calls too slow are refused" refuses 'ms=1001' 'ms=1001 is not within'
check "too wide a spread is refused" refuses 'spread=91' 'spread=91 is not'
check "an unknown mode is refused" refuses 'mode=backwards' 'mode=backwards is'
check "an unknown form is refused" refuses 'format=xml' 'format=xml is none'
check "programs are told so in JSON" refuses 'n=0&format=json' '"error":'
check "there are no other pages" status_is 404 "${url}nothing"
check "links of the first page lead somewhere" links_lead_somewhere ''
check "links of the page of calls lead somewhere" links_lead_somewhere fanout
check "browsers get the page of calls" says '<title>Eddy: as long as' \
    -H 'Accept: text/html' "${url}fanout"
check "without its slash the feed is found" status_is 200 -L "${url}feed"
check "the feed has made-up messages" streams '"say":' feed/events
check "the chat has rooms" says '[' "${url}chat/rooms"

check "a page in Python tells of three servers" asks_for_python 'n=8&ms=50'
if way eddy | grep -q 'ms  █'; then
    for other in gunicorn uwsgi; do
        way "$other" | grep -q 'ms  █' || continue
        check "gathered it takes less than half of $other" \
            at_best is_faster eddy "$other"
    done
    if command -v chromium >/dev/null; then
        check "the page draws each call, and marks two lines" draws_calls 6
    fi
fi
check "its files are shown" says 'import eddy' "${url}wsgi/gathered.py"
check "too many calls of it are refused" status_is 400 "${url}wsgi?n=21"
check "too many at once are refused" status_is 400 "${url}wsgi?visitors=6"
check "of it there is no JSON" status_is 400 "${url}wsgi?format=json"
check "links of that page lead somewhere" links_lead_somewhere wsgi

if command -v chromium >/dev/null; then
    check "both waterfalls have a bar for each call" draws_bars 12
    check "the first page shows what goes on" shows_what_goes_on
fi

taken=${url#http://}
check "a taken port is named" complains 1 "${taken%/}" --listen "${taken%/}"
check "a wrong option is refused" complains 2 '--services 99' --services 99
check "a wrong address is refused" complains 1 nowhere --listen nowhere
check "a wrong rate is refused" complains 2 '--rate fast is not 1 to' --rate fast
check "a source that is no URL is refused" complains 2 '--source sea' --source sea
check "an option nobody knows is refused" complains 2 "'--sauce'" --sauce
check "an option without its value is refused" complains 2 '--rate needs' --rate
check "a Redis that is no URL is refused" complains 1 'Redis URL' --redis sea

services=$(ps -o pid= --ppid "$demo" | tr -s ' \n' ',' | sed 's/^,\|,$//g')
kill -INT "$demo"
check "Ctrl-C ends it" demo_ends 0
check "its services end with it" eventually services_are_gone
check "it leaves no files" test -z "$(ls "$work/tmp")"
# But for the machine: where much else runs, a loop may have stood still.
complaints() { grep -vE ' WARN +(loop (blocked|runs again)| )' "$work/err"; }
check "it had nothing to complain about" eval '! complaints'

check "it starts again" start_demo
kill "${services%%,*}"
check "a service that is gone makes it a bad gateway" eventually \
    status_is 502 "${url}fanout?n=5&ms=5"
{ kill -9 "$demo" && wait "$demo"; } 2>/dev/null
demo=
check "killed, it takes its services with it" eventually services_are_gone

# Where nothing is installed but what starts programs.
starts_bare() {
    ln -s "$(command -v env)" "$work/bare/env" &&
        cp "$eddy" "$work/bare/eddy" || return
    : >"$work/out" # the one before has ended
    PATH=$work/bare TMPDIR=$work/tmp "$work/bare/eddy" demo \
        --listen 127.0.0.1:0 --services 1 >"$work/out" 2>"$work/err" &
    demo=$!
    eventually grep -q 'Ctrl-C' "$work/out" || return
    url=$(grep -o 'http://127.0.0.1:[0-9]*/' "$work/out" | head -n 1)
}
check "without Python it starts" starts_bare
check "without Python its page is there" asks_for_python 'n=2&ms=1'
check "and says what is missing" way 'gunicorn .*No such file.*python3-flask'
if command -v chromium >/dev/null; then
    check "in the browser, too" tells_what_is_missing
fi
kill -INT "$demo"
check "it ends, too" demo_ends 0

echo "$passed passed, $failed failed"
((failed == 0))
