#!/usr/bin/env bash
#
# wsgi_life.sh - workers of `eddy serve --wsgi` over time: reloads under load,
# preloading, lines that are too long, requests that get stuck, clients that
# leave, and what the operator sees of it.

set -uo pipefail
# shellcheck source=tests/interop/wsgi_common.bash
. "$(dirname "$0")/wsgi_common.bash"

apps=$source/tests/interop
code() { ask -o /dev/null -w '%{http_code}' "$@"; }
write_app() { # TEXT
    cat >fresh.py <<APP
import atexit, os, sys, threading

atexit.register(lambda: os.write(2, b"farewell of $1\n"))

def app(environ, start):
    start("200 OK", [("Content-Type", "text/plain")])
    return [b"$1\n"]
APP
    mv fresh.py site.py.new
    mkdir -p site
    mv site.py.new site/shop.py
    # As long as its time is the same the interpreter takes its cache.
    rm -rf site/__pycache__
}

# ---- reloads ----

write_app one
wsgi reload 2 --wsgi shop:app --python-path site -t 2
expect "it answers" one ask "$url/"
python3 "$apps/serve_load.py" "$port" 6 6 >load &
load=$!
for i in $(seq 6); do
    [ "$i" = 3 ] && write_app two
    kill -HUP "$pid"
    until_said reload "$i" 'INFO  reloaded'
done
expect "new code is served" two ask "$url/"
wait $load
expect_in "reloads lose no request" 'failed 0' cat load
write_app three
echo 'raise RuntimeError("half done")' >>site/shop.py
kill -HUP "$pid"
until_said reload 1 'a new worker cannot start; the old ones stay'
expect_in "the log says why" 'RuntimeError: half done' cat reload
expect "the old ones serve on" two ask "$url/"
quit "$pid"
pids=()
expect_in "what is to be done at the end is done" 'farewell of two' cat reload

# ---- one for all ----

wsgi preload 2 --wsgi wsgi_apps:app --python-path "$apps" --preload -t 2
for i in $(seq 20); do ask "$url/whoami" & done >pids
for i in $(seq 400); do [ "$(wc -l <pids)" = 20 ] && break; sleep 0.05; done
expect "preloaded workers answer" 20 sh -c 'wc -l <pids'
expect "and not the master" 0 grep -c "^$pid " pids
quit "$pid"
pids=()

# ---- a virtual environment ----

if /usr/bin/python3 -m venv --without-pip env 2>/dev/null; then
    cp "$apps/wsgi_apps.py" only_there.py
    mv only_there.py env/lib/python3*/site-packages/
    wsgi venv 1 --wsgi only_there:app --virtualenv env -t 1
    expect "a virtualenv has its modules" "[0-9]+ $work/env" ask "$url/whoami"
    quit "$pid"
    pids=()
fi

# ---- calls of the module eddy ----

if [ -d "$build/python/eddy" ]; then
    wsgi calls 1 --wsgi wsgi_apps:app --python-path "$apps" \
        --python-path "$build/python" -t 5
    expect "calls of eddy are made on the worker's own loop" \
        "b'slept.nslept.nslept.n' 0 more threads, adopted True" \
        ask "$url/fan_out"
    quit "$pid"
    pids=()
    "$eddy" demo-service >service 2>service.log &
    pids=($!)
    service=$(wait_for_text service '^127\.0\.0\.1:[0-9]*$')
    SERVICE=http://$service/ wsgi early 1 --wsgi wsgi_early:app \
        --python-path "$apps" --python-path "$build/python" -t 2
    expect "also when the application has made some while it was loaded" \
        'True 200 200' ask "$url/"
    kill "${pids[0]}"
    quit "$pid"
    pids=()
fi

# ---- what an application leaves behind ----

wsgi leave 1 --wsgi wsgi_apps:app --python-path "$apps" -t 2
expect_in "work may go on behind the reply" accepted ask "$url/later"
expect_in "and threads" begun ask "$url/endless"
quit "$pid"
pids=()
expect_in "work that was begun is done before the end" 'done later' cat leave
expect_in "a thread that does not end is not waited for forever" \
    '(threads, atexit) was not done' cat leave

# ---- lines ----

# Until so many requests for a page are there, in a state.
until_asked() { # COUNT STATE
    for _ in $(seq 400); do
        "$eddy" ctl --socket "$work/ctl-$name" ps >seen
        [ "$(grep -c "$2" seen)" = "$1" ] && return
        sleep 0.05
    done
    broken "there are $1 of $2" "$(cat seen)"
}
# Both threads are held until there is a file "go", so that nobody's turn comes
# before all have been looked at.
name=line
wsgi $name 1 --wsgi wsgi_apps:app --python-path "$apps" -t 2 \
    --queue-limit 3 --queue-timeout 60s
ask "$url/held" >one &
one=$!
ask "$url/held" >two &
two=$!
until_asked 2 'waiting  *Python.*/held'
expect "those at work are shown" 2 grep -c 'waiting  *Python.*/held' seen
left=()
for _ in 1 2 3; do
    curl -s -o /dev/null "$url/counted" &
    left+=($!)
done
until_asked 3 'queued .*a thread of Python.*/counted'
expect "those in line, too" 3 grep -c 'queued .*a thread of Python.*/counted' seen
"$eddy" ctl --socket "$work/ctl-$name" workers --json >seen
expect "and counted" '"queued": *3' grep -o '"queued": *3' seen
expect_in "a line has an end" 503 code "$url/counted"
kill "${left[@]}"
wait "${left[@]}" 2>/dev/null
until_asked 0 '/counted'
touch go
wait $one $two
expect "who was at work ends it" held cat one
expect "no request of a client that left in line is run" \
    "\\(\\[\\], \\[\\], 0\\)" ask "$url/noted"
quit "$pid"
pids=()

rm go
name=short
wsgi $name 1 --wsgi wsgi_apps:app --python-path "$apps" -t 2 \
    --queue-timeout 300ms --request-timeout 4s
# They, too, may have to wait too long for a thread that is not let run.
ask --retry 9 "$url/held" >one &
one=$!
ask --retry 9 "$url/held" >two &
two=$!
until_asked 2 'waiting  *Python.*/held'
expect "who waits for too long gets 503" 503 code -D late "$url/counted"
expect_in "and when to come back" 'Retry-After: ' cat late
touch go
wait $one $two
expect "and was not run" "\\(\\[\\], \\[\\], 0\\)" \
    ask -f --retry 9 "$url/noted"
expect_in "a deadline is one for Python, too" 504 code "$url/sleeping?8"
quit "$pid"
pids=()

# ---- requests that get stuck ----

rm go
name=stuck
wsgi stuck 1 --wsgi wsgi_apps:app --python-path "$apps" -t 2 \
    --stuck-after 1s
ask "$url/stuck" >out & one=$!
until_asked 1 'Python.*/stuck'
id=$("$eddy" ctl --socket "$work/ctl-stuck" ps --json |
    grep -o '"id": *"[^"]*"' | head -n 1 | cut -d'"' -f4)
"$eddy" ctl --socket "$work/ctl-stuck" stack "$id" >frames
expect_in "eddy ctl stack shows where Python is" "asleep_in_view" cat frames
expect_in "line by line" "wsgi_apps.py:" cat frames
expect "and nothing but the application" 0 grep -c 'threading.py' frames
until_said stuck 1 'Python has been at GET /stuck'
until_said stuck 1 'in asleep_in_view'
expect "the log has it under the request's id" \
    ".*WARN +\\[$id\\].*in asleep_in_view" grep 'in asleep_in_view' stuck
expect "others are served meanwhile" slept ask "$url/sleeping?0"
wait $one
expect_in "and it comes to its end" "at last" cat out
# In C, with the interpreter held: nobody else can ask for it.
ask "$url/burn" >out & one=$!
until_said stuck 1 'Python has been at GET /burn'
until_said stuck 1 'in burn'
expect "with nothing but the application" 0 grep -c 'threading.py' stuck
wait $one
expect_in "even that comes to its end" burnt cat out
expect "it is told once" 1 grep -c 'Python has been at GET /stuck' stuck
# A client that leaves a request that is being run: it stays in sight.
curl -s "$url/held" & left=($!)
until_asked 1 'waiting  *Python.*/held'
kill "${left[@]}"
wait "${left[@]}" 2>/dev/null
sleep 0.3 # it may be noticed
"$eddy" ctl --socket "$work/ctl-stuck" ps >seen
expect_in "what runs for nobody is still shown" '/held' cat seen
ask "$url/held" >out & one=$!
until_asked 2 'waiting  *Python.*/held'
kill -TERM "$pid"
until_said stuck 1 'stopping when all'
touch go
wait "$pid"
wait $one
pids=()
expect "SIGTERM lets requests end" held cat out

# Up to Python 3.12 frames are read in our own process. Those of a thread that
# goes on meanwhile lead anywhere. A sanitizer's library must be loaded first.
cat >astray.c <<'END'
#include <unistd.h>
void _Py_DumpTraceback(int fd, void *state)
{
    write(fd, "  File \"a.py\", line 1 in seen\n", 31);
    *(volatile int *)state = *(volatile int *)16;
}
END
first=
if grep -q '^EDDY_SANITIZE:STRING=.*address' "$build/CMakeCache.txt"; then
    first="$("${CC:-cc}" -print-file-name=libasan.so) "
fi
if "${CC:-cc}" -shared -fPIC -o astray.so astray.c; then
    LD_PRELOAD=$first$PWD/astray.so wsgi astray 1 \
        --wsgi wsgi_apps:app --python-path "$apps" -t 2 --stuck-after 1s
    ask "$url/burn" >out & one=$!
    until_said astray 1 'Python has been at GET /burn'
    wait $one
    expect_in "a thread that goes on while its frames are read harms nobody" \
        burnt cat out
    expect "nor is anything told" 0 grep -c 'crash: ' astray
    quit "$pid"
    pids=()
fi

tally
