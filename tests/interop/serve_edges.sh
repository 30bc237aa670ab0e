#!/usr/bin/env bash
#
# serve_edges.sh - `eddy serve` at its edges: what is left open and what lies
# about after many reloads and upgrades, signals that come when they should not,
# and processes that are killed, stopped or never ready.

set -uo pipefail
# shellcheck source=tests/interop/common.bash
. "$(dirname "$0")/common.bash"
# shellcheck source=tests/interop/serve_common.bash
. "$source/tests/interop/serve_common.bash"
needs curl python3 cc

export RUNTIME_DIRECTORY=$work/run
mkdir run

ctl() { "$eddy" ctl --socket "$work/ctl" "$@"; }
admin() {
    for child in $(children "$pid"); do
        grep -qs app.so "/proc/$child/maps" || echo "$child"
    done
}
# Descriptors by what they are: sockets that serve one connection come and go.
open_files() { # PID
    ls -l "/proc/$1/fd" 2>/dev/null | sed -n 's/.* -> //p' |
        sed 's/:*\[.*//; s/ (deleted)//' | sort | uniq -c
}
zombies() {
    for child in $(children "$pid"); do
        grep -qs '^State:.Z' "/proc/$child/status" && echo "$child"
    done
}

# ---- nothing is left open ----

module one
begin --admin 127.0.0.1:0
worker=$(workers | head -n 1)
master_files=$(open_files "$pid")
worker_files=$(open_files "$worker")
admin_files=$(open_files "$(admin)")
for i in $(seq 20); do
    kill -HUP "$pid"
    until_said "$i" 'INFO  reloaded'
done
until_count 2
for i in $(seq 5); do
    kill -USR2 "$(cat pid)"
    until_said "$i" 'takes over from'
    follow
done
until_count 2
for _ in $(seq 100); do [ -n "$(admin)" ] && break; sleep 0.05; done
for _ in $(seq 40); do
    [ "$(open_files "$(admin)")" = "$admin_files" ] && break
    sleep 0.05
done
expect "a master has the files it began with" "$master_files" open_files "$pid"
expect "a worker too" "$worker_files" open_files "$(workers | head -n 1)"
expect "and the admin process" "$admin_files" open_files "$(admin)"
expect "no child is a zombie" '' zombies
end

# ---- in the middle of a start ----

module late -DLATE=30000
: >log
serve log "$eddy" serve app.so --listen 127.0.0.1:0 --pidfile pid \
    --ctl "$work/ctl" --workers 1
sleep 1
began=$SECONDS
kill -TERM "$pid"
until_gone "$pid"
expect "a worker that starts does not keep anyone from stopping" '[0-2]' \
    echo $((SECONDS - began))
pids=()

module one
begin
module late -DLATE=1500
kill -HUP "$pid"
sleep 0.3
kill -HUP "$pid"
until_said 2 'INFO  reloaded'
expect "a reload during one follows it" 2 grep -c 'INFO  reloaded' log
kill -HUP "$pid"
sleep 0.3
kill -TERM "$pid"
began=$SECONDS
until_gone "$pid"
expect "a stop during one does not wait for it" '[0-2]' echo $((SECONDS - began))
pids=()
module one

tally
