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
# Descriptors by what they are: sockets that serve one connection come and go,
# and so do files of /proc that are being read.
open_files() { # PID
    ls -l "/proc/$1/fd" 2>/dev/null | sed -n 's/.* -> //p' | grep -v '^/proc/' |
        sed 's/:*\[.*//; s/ (deleted)//' | sort | uniq -c
}
zombies() {
    for child in $(children "$pid"); do
        grep -qs '^State:.Z' "/proc/$child/status" && echo "$child"
    done
}

# Until a command succeeds, or 20 s have passed.
eventually() { # COMMAND...
    local _
    for _ in $(seq 400); do
        "$@" >/dev/null 2>&1 && return
        sleep 0.05
    done
    broken "never: $*" "$(tail -n 40 log)"
}
# A new master has the file of the process id from early on.
heir() { # sets heir
    heir=$(cat pid) && [ -n "$heir" ] && [ "$heir" != "$pid" ]
}
left_of() { # PID...: those that have not ended, a line each
    local process
    for process; do
        [ -r "/proc/$process/exe" ] && tr '\0' ' ' <"/proc/$process/cmdline" && echo
    done
}

# ---- nothing is left open ----

module one
begin --admin 127.0.0.1:0
ctl workers >/dev/null # it has begun
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
ctl workers >/dev/null
for _ in $(seq 200); do
    [ "$(open_files "$(admin)")" = "$admin_files" ] && break
    sleep 0.05
done
expect "a master has the files it began with" "$master_files" open_files "$pid"
expect "a worker too" "$worker_files" open_files "$(workers | head -n 1)"
expect "and the admin process" "$admin_files" open_files "$(admin)"
expect "no child is a zombie" '' zombies
end

# ---- what dead servers have left ----

# A container that was killed begins again with the same process id, and with
# the files of the one before.
cat >again.sh <<'END'
mkdir -p "run/eddy-app.so-$$.run"
touch "run/eddy-app.so-$$.run/worker-0.sock" "run/eddy-app.so-$$.ctl"
exec "$@"
END
: >log
serve log bash again.sh "$eddy" serve app.so --listen 127.0.0.1:0 \
    --pidfile pid --workers 1
until_said 1 'is ready'
expect "what is left of our own process id is removed" one ask "$url/"
end
expect "with all that was made" '' ls run

# A process id file that nobody removed is nobody's.
echo 4194300 >pid
begin
mv app.so away.so
mkdir app.so
kill -USR2 "$pid"
until_said 1 'did not take over'
expect "an upgrade that fails leaves the file as it was" "$pid" cat pid
rmdir app.so
mv away.so app.so
end
rm -f pid.old

# ---- who answers eddy ctl during an upgrade ----

each_time() { # COMMAND...: what it said in ten times, each text once
    for _ in $(seq 10); do "$@" 2>&1; done | sort | uniq
}
is_ready() { ask -o /dev/null -w '%{http_code}\n' "$admin_url/readyz"; }

hold() { # SOCKET: has a request wait for the file "go"
    rm -f go
    answers=$(admin)
    admin_url=$(sed -n 's/.*admin on //p' log)
    ask "$url/held" >held &
    held=$!
    for _ in $(seq 200); do
        "$eddy" ctl --socket "$1" ps | grep -q held && break
        sleep 0.05
    done
}
let_go() {
    touch go
    wait "$held"
    expect "the old one has answered" held cat held
    follow
    end
}

begin --admin 127.0.0.1:0
hold "$work/ctl"
module one -DLATE=1500
kill -USR2 "$pid"
until_said 1 'is to take over'
expect "until there are new workers, the old master" 200 each_time is_ready
expect "which has not ended meanwhile" 0 grep -c 'takes over from' log
module one
until_said 1 'takes over from'
until_gone "$answers"
expect "then the new one, though the old one has requests left" \
    reloaded each_time ctl reload
expect "and its state is told" 200 each_time is_ready
expect "while the old one waits for them" '' cat held
let_go

: >log
serve log "$eddy" serve app.so --listen 127.0.0.1:0 --pidfile pid \
    --workers 2 --admin 127.0.0.1:0
until_said 2 'is ready'
own=$work/run/eddy-app.so-$pid.ctl
hold "$own"
kill -USR2 "$pid"
until_said 1 'takes over from'
until_gone "$answers"
expect "what is ready is told by the new one" 200 each_time is_ready
expect_in "on a socket of its own the old one still tells of its requests" held \
    "$eddy" ctl --socket "$own" ps
let_go

# ---- sockets in the file system ----

at() { ask --unix-socket "$1" http://a/; }
begin_at() { # OPTION...
    printf '[serve]\nlisten = 127.0.0.1:0 unix:%s\n' "$work/a.sock" >app.conf
    : >log
    serve log "$eddy" serve app.so --config app.conf --pidfile pid \
        --ctl "$work/ctl" --workers 1 "$@"
    until_said 1 'is ready'
}

begin_at --upgrade-wait
kill -USR2 "$pid"
until_said 2 'is ready'
eventually heir
sleep 0.3
kill -TERM "$heir"
until_said 1 'did not take over'
expect "a new master that is sent away again leaves the sockets" one at a.sock
expect "the old one has its file of the process id" "$pid" cat pid
expect_in "and that of eddy ctl" '"workers"' ctl workers --json
end

begin_at
module broken -DBROKEN
sed -i "s|a.sock|b.sock|" app.conf
kill -USR2 "$pid"
until_said 1 'did not take over'
module one
expect "one that cannot start does, too" one at a.sock
end

# ---- settings that do not come into force ----

printf '[serve]\nworkers = 1\nadmin = 127.0.0.1:0 unix:%s\n' "$work/adm" >app.conf
: >log
serve log "$eddy" serve app.so --config app.conf --listen 127.0.0.1:0 \
    --pidfile pid --ctl "$work/ctl"
until_said 1 'is ready'
module broken -DBROKEN
printf '[serve]\nworkers = 3\nadmin = 127.0.0.1:0\n' >app.conf
kill -HUP "$pid"
until_said 1 'the old ones stay'
module one
sleep 1
expect "with a reload its number of workers is gone" 1 count
expect "and its admin addresses" ok ask --unix-socket adm http://a/healthz
old=$(admin)
kill -9 "$old"
another_admin() { [ -n "$(admin)" ] && [ "$(admin)" != "$old" ]; }
eventually another_admin
expect "for whoever comes, too" ok ask --unix-socket adm http://a/healthz
end

# ---- preloaded ----

begin --preload --admin 127.0.0.1:0
plain=$(echo "$worker_files" | grep socket)
expect "a preloaded worker has no sockets of the master's" "$plain" \
    sh -c "ls -l /proc/$(children "$pid" | head -n 1 | cut -d' ' -f2)/fd |
        grep -c socket | sed 's/.*/      & socket/'"
all=$(children "$pid")
rm -f go
ask "$url/held" >held &
held=$!
until_at_work /held
kill -9 "$pid"
# shellcheck disable=SC2086 # several
one_is_left() { [ "$(left_of $all | wc -l)" = 1 ]; }
eventually one_is_left
# shellcheck disable=SC2086 # several
expect "a master that is killed takes idle ones along" 1 \
    grep -c . <(left_of $all)
touch go
wait $held
expect "and the busy one after its request" held cat held
# shellcheck disable=SC2086 # several
until_gone $all
pids=()
rm -f pid

# ---- in the middle of a start ----

module late -DLATE=30000
: >log
serve log "$eddy" serve app.so --listen 127.0.0.1:0 --pidfile pid \
    --ctl "$work/ctl" --workers 1
sleep 1
began=$SECONDS
kill -TERM "$pid"
until_gone "$pid"
# In a part of the time that the start takes.
expect "a worker that starts does not keep anyone from stopping" '1?[0-9]' \
    echo $((SECONDS - began))
pids=()

module one
begin
module late -DLATE=1500
kill -HUP "$pid"
until_said 1 'INFO  reloading'
kill -HUP "$pid"
until_said 2 'INFO  reloaded'
expect "a reload during one follows it" 2 grep -c 'INFO  reloaded' log
module late -DLATE=30000
kill -HUP "$pid"
until_said 3 'INFO  reloading'
kill -TERM "$pid"
began=$SECONDS
until_gone "$pid"
expect "a stop during one does not wait for it" '1?[0-9]' echo $((SECONDS - began))
pids=()
module one

# ---- killed, and stopped ----

begin --admin 127.0.0.1:0
old=$(admin)
kill -9 "$old"
eventually another_admin
eventually ctl workers --json
expect_in "another admin process takes the place of a killed one" '"workers"' \
    ctl workers --json
old=$(admin)
kill -STOP "$old"
kill -HUP "$pid"
until_said 1 'INFO  reloaded'
for _ in $(seq 400); do kill -0 "$old" 2>/dev/null || break; sleep 0.05; done
eventually ctl workers --json
expect_in "and of one that stands still" '"workers"' ctl workers --json
kill -CONT "$old" 2>/dev/null
module late -DLATE=1000
kill -USR2 "$pid"
until_said 1 'is to take over'
kill -USR2 "$pid"
until_said 1 'no upgrade: '
until_said 1 'takes over'
follow
module one
end

begin
module late -DLATE=3000
kill -USR2 "$pid"
until_said 1 'is to take over'
eventually heir
kill -9 "$heir"
until_said 1 'did not take over'
expect "a new master that is killed is as none" one ask "$url/"
expect "the file says who is there" "$pid" cat pid
module one
end

# All processes at once, as a shell's Ctrl-Z does it, or `docker pause`.
begin --hang-timeout 3s
group=("$pid")
for child in $(children "$pid"); do group+=("$child"); done
kill -STOP "${group[@]}"
sleep 4.5
kill -CONT "${group[@]}"
sleep 2
expect "time in which nobody ran is nobody's fault" 0 \
    grep -c 'stands still\|stood still' log
expect "and all go on" one ask "$url/"
end

# ---- again at once ----

admin_port=$(free_port)
begin --admin "127.0.0.1:$admin_port"
python3 - "$admin_port" <<'END' &
import socket, sys
s = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
s.sendall(b"POST /v1/scale HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n")
try:
    s.recv(1)
except ConnectionResetError:
    pass
END
sleep 0.3
kill -STOP "$(admin)"
old=$(admin)
kill -TERM "$pid"
until_gone "$pid"
rm -f pid
begin --admin "127.0.0.1:$admin_port"
expect "the admin address is free when the master has ended" ok \
    ask "http://127.0.0.1:$admin_port/healthz"
kill -CONT "$old" 2>/dev/null
end

# ---- log files ----

mkdir logs
chmod 777 logs
log_settings() { # FILE
    printf '[serve]\nlog-file = logs/%s\naccess-log = logs/access\n' "$1"
    ((EUID)) || echo user = nobody
}
reader() { # a worker, which may be nobody, has this file open
    readlink "/proc/$(workers | head -n 1)"/fd/* | grep -c "logs/$1\$"
}
log_settings one >app.conf
"$eddy" serve app.so --config app.conf --listen 127.0.0.1:0 --pidfile pid \
    --ctl none --workers 1 >/dev/null 2>&1 &
pid=$!
pids+=("$pid")
ln -s logs/one log.new && mv log.new log
until_said 1 'is ready'
mv logs/one logs/one.1
mv logs/access logs/access.1
kill -USR1 "$pid"
until_said 1 'opened again'
has_opened() { [ "$(reader one)$(reader access)" = 11 ]; }
eventually has_opened
expect "a worker opens the log again" 1 reader one
expect "and the access log" 1 reader access
log_settings two >app.conf
kill -HUP "$pid"
ln -s logs/two log.new && mv log.new log
until_said 1 'INFO  reloaded'
module broken -DBROKEN
log_settings three >app.conf
kill -HUP "$pid"
until_said 1 'the old ones stay'
expect_in "the log of a reload that fails says so" 'not starting' cat logs/three
expect "and is left again" 0 sh -c \
    "readlink /proc/$pid/fd/* | grep -c 'logs/three\$'"
module one
rm log
touch log
end

# ---- what a service manager hears ----

# Every datagram, a line each.
cat >manager.py <<'END'
import os, socket, sys
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.bind(sys.argv[1])
while True:
    print(s.recv(4096).decode().replace("\n", " "), flush=True)
END
python3 manager.py "$work/notify" >told &
manager=$!
pids+=("$manager")
eventually test -S notify
module one
: >log
NOTIFY_SOCKET=$work/notify serve log "$eddy" serve app.so --listen 127.0.0.1:0 \
    --pidfile pid --ctl none --workers 1
until_said 1 'is ready'
module late -DLATE=1000
kill -HUP "$pid"
until_said 1 'reloading'
kill -WINCH "$pid"
until_said 1 'workers stop'
told_last() { [ "$(tail -n 1 told | tr -d ' ')" = "$1" ]; }
eventually told_last READY=1
expect "a reload that is cut short is told to be over" READY=1 tail -n 1 told
module one
kill -HUP "$pid"
until_said 2 'is ready'
expect "and another brings workers" one ask "$url/"
end
kill "$manager"

tally
