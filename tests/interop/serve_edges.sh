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

# ---- preloaded ----

begin --preload --admin 127.0.0.1:0
plain=$(echo "$worker_files" | grep socket)
expect "a preloaded worker has no sockets of the master's" "$plain" \
    sh -c "ls -l /proc/$(children "$pid" | head -n 1 | cut -d' ' -f2)/fd |
        grep -c socket | sed 's/.*/      & socket/'"
all=$(children "$pid")
ask "$url/slow" >slow &
slow=$!
sleep 0.2
kill -9 "$pid"
sleep 0.5
for process in $all; do
    [ -r "/proc/$process/exe" ] && tr '\0' ' ' <"/proc/$process/cmdline" && echo
done >left
expect "a master that is killed takes idle ones along at once" 1 \
    sh -c 'grep -c . left'
wait $slow
expect "and the busy one after its request" slow cat slow
# shellcheck disable=SC2086 # several
until_gone $all
pids=()
rm -f pid

tally
