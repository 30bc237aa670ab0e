#!/usr/bin/env bash
#
# serve.sh - `eddy serve` as its operator knows it: reloads and upgrades under
# load, workers that die, hang and grow old, and the signals of the master.

set -uo pipefail
# shellcheck source=tests/interop/common.bash
. "$(dirname "$0")/common.bash"
# shellcheck source=tests/interop/serve_common.bash
. "$source/tests/interop/serve_common.bash"
needs curl python3 cc

ctl() { "$eddy" ctl --socket "$work/ctl" "$@"; }

# ---- reloads and upgrades ----

module one
begin
expect "it answers" one ask "$url/"
python3 "$source/tests/interop/serve_load.py" "$port" 12 8 >load &
load=$!
for i in $(seq 20); do
    [ "$i" = 10 ] && module two
    kill -HUP "$pid"
    until_said "$i" 'INFO  reloaded'
done
expect "new code is served" two ask "$url/"
for i in $(seq 5); do
    kill -USR2 "$(cat pid)"
    until_said "$i" 'takes over from'
    follow
done
wait $load
expect_in "20 reloads and 5 upgrades lose no request" 'failed 0' cat load
end

# ---- what cannot start ----

module one
begin
module broken -DBROKEN
before=$(workers)
kill -HUP "$pid"
until_said 1 'a new worker cannot start; the old ones stay'
expect "the old workers stay" "$before" workers
expect "and answer" one ask "$url/"
expect_in "who asks for a reload hears that it failed" \
    "not reloaded: a new worker cannot start; the old ones stay" ctl reload
expect "which is its status" 1 status_of ctl reload
expect_in "and is remembered" 'a new worker cannot start' ctl status
kill -USR2 "$pid"
until_said 1 'did not take over'
expect "nor does a new master take over" one ask "$url/"
expect "whose process id the file has" "$pid" cat pid
module two
kill -HUP "$pid"
until_said 1 'INFO  reloaded'
expect "what is mended is served" two ask "$url/"
expect "and reloaded" reloaded ctl reload

# ---- workers that die ----

ask "$url/held" >held &
held=$!
# The one that is not asked: the other's request is nobody's loss.
asked() {
    ctl ps --json 2>/dev/null |
        grep -o '"pid": *[0-9]*' | grep -o '[0-9]*'
}
until_at_work /held
worker=$(workers | grep -vx "$(asked)")
kill -9 "$worker"
until_count 2
touch go
wait $held
expect "a worker's death costs no one else's request" held cat held
expect "the log says how it ended" 1 grep -c 'ended by signal 9' log
ask "$url/crash" >/dev/null
until_said 1 'ended by signal 6'
until_count 2
expect_in "a crash says where" 'crash+0x' cat log
expect_in "and which request it was" 'GET /crash' cat log
expect "after which all goes on" two ask "$url/"
end

# ---- how it begins ----

expect "a module that is not there is told before anything starts" \
    "eddy serve: \./none\.so: No such file or directory" \
    "$eddy" serve ./none.so --listen 127.0.0.1:0
expect "and by --check" "eddy serve: none\.so: No such file or directory" \
    "$eddy" serve none.so --check

# ---- where it is ----

begin --admin 127.0.0.1:0 --access-log "$work/access"
admin=$(grep -o 'admin on http://.*' log | sed 's/.*on //')
expect_in "the state tells the port the system has given" "$url" \
    ctl status
expect_in "and that of the admin address" "$admin" \
    ctl status
expect "who scales is told how many there will be" "3 workers are wanted" \
    ctl scale 3
expect_in "and the log tells who it was" "eddy ctl asks for 'scale 3'" cat log
expect_in "a level of the log is asked for" "the log level is info" \
    ctl log-level info
expect_in "by the same name" "eddy ctl asks for 'log-level info'" cat log
exec 3<>"/dev/tcp/127.0.0.1/$port"
printf 'nonsense\r\n\r\n' >&3
cat <&3 >/dev/null
exec 3>&-
end
expect "what is no request is logged with whose it was" 1 \
    grep -c '^127\.0\.0\.1 - - \[[^]]*\] "-" 400 - "-" "-"$' access

# ---- a loop that stands still ----

begin
ctl --json watch >live &
watcher=$!
wait_for_text live requests_per_s >/dev/null
ask "$url/stall" >/dev/null
for _ in $(seq 300); do
    grep -q '"over":true' live && break
    sleep 0.1
done
kill "$watcher"
wait "$watcher" 2>/dev/null
expect_in "who looks is told which function holds a loop up" \
    'stand_a_while < stall' cat live
expect_in "and in which fiber that was" '"fiber":"request"' cat live
end

begin --hang-timeout 1s
ask "$url/hang" >/dev/null
until_said 1 'stood still'
until_count 2
expect_in "who hangs is named" 'stand_still' cat log
expect_in "with its request" 'GET /hang' cat log
expect "and replaced" two ask "$url/"
end

# ---- workers that grow old ----

begin --max-requests 50 --max-requests-jitter 10
python3 "$source/tests/interop/serve_load.py" "$port" 3 4 >load
expect_in "recycled workers lose no request" 'failed 0' cat load
expect_in "they make way after so many requests" 'it has served' cat log
end

# ---- the signals of the master ----

begin
kill -TTIN "$pid"
until_count 3
kill -TTOU "$pid"
until_count 2
kill -WINCH "$pid"
until_count 0
kill -HUP "$pid"
until_count 2
expect "workers come back" two ask "$url/"
rm go
ask "$url/held" >held &
held=$!
until_at_work /held
kill -TERM "$pid"
until_said 1 'stopping when all'
refused() { # by curl's exit status: 28 would be that nobody answers
    for _ in $(seq 20); do
        curl -s -m 0.25 "$url/" >/dev/null
        [ "$?" = 7 ] && echo yes && return
        sleep 0.1
    done
}
expect "who comes later is refused at once" yes refused
touch go
until_gone "$pid"
pids=()
wait $held
expect "SIGTERM lets a request end" held cat held
expect "nothing is left behind" '' sh -c 'ls -d ctl pid pid.old 2>/dev/null'

begin
rm go
ask "$url/held" >held &
held=$!
until_at_work /held
kill -INT "$pid"
wait "$pid"
wait $held
pids=()
expect "SIGINT does not" '' cat held

# A master that is killed takes its workers with it.
begin
orphans=$(workers)
kill -9 "$pid"
# shellcheck disable=SC2086 # one or more
until_gone $orphans
pids=()

# ---- sockets of the service manager ----

cat >activate.py <<'EOF'
"""Starts a program with a listening socket, as the service manager does."""
import os, socket, sys

port = socket.create_server(("127.0.0.1", 0))
os.dup2(port.fileno(), 3)
os.set_inheritable(3, True)
os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS="1",
                  LISTEN_FDNAMES="web")
os.execv(sys.argv[1], sys.argv[1:])
EOF
: >log
serve log python3 activate.py "$eddy" serve app.so --listen systemd:web \
    --pidfile pid --ctl none --workers 1
until_said 1 'is ready'
expect "it serves on a socket it was given" two ask "$url/"
kill -HUP "$pid"
until_said 1 'INFO  reloaded'
expect "and goes on doing so" two ask "$url/"
end
expect_in "a socket it was not given is missed" 'has handed over no' \
    "$eddy" serve app.so --listen systemd:web --ctl none

# ---- another directory ----

mkdir elsewhere
cp app.so elsewhere
ln -s "$eddy" here
printf '[serve]\nworkdir = elsewhere\nworkers = 1\nctl = none\n' >here.conf
: >log
serve log ./here serve app.so --config here.conf --listen 127.0.0.1:0 \
    --pidfile "$work/pid"
until_said 1 'is ready'
expect "it goes to its directory" "$work/elsewhere" \
    readlink "/proc/$pid/cwd"
echo 'drain-timeout = soon' >>here.conf
kill -HUP "$pid"
until_said 1 'not reloaded: the settings cannot be used; all stays as it was'
expect_in "and finds its file from there" 'here.conf:5: drain-timeout' cat log
sed -i '$d' here.conf
kill -USR2 "$pid"
until_said 1 'takes over from'
follow
expect "as does who takes over" two ask "$url/"
expect "in the same directory" "$work/elsewhere" readlink "/proc/$pid/cwd"
end

# ---- the end of a worker ----

module slow -DSLOW_END=500
begin
old=$(workers | head -n 1)
kill -TERM "$old"
until_said 1 'INFO  stopping when all'
sleep 0.2
kill -TERM "$old" # as who tells a whole group would
until_said 1 "worker $old \(has\|was\) "
expect_in "one more word to it is no accident" "INFO  worker $old has ended" cat log
until_count 2
end

# ---- what workers do not share ----

module rooms -DROOM='"lobby"'
begin
expect "a room that is in each worker is warned of, once" 1 grep -c \
    "room 'lobby' is one in each of 2 workers, which do not hear each other" log
kill -TTOU "$pid"
until_count 1
kill -HUP "$pid"
until_said 1 'INFO  reloaded'
expect "and not where there is one worker" 1 grep -c "room 'lobby'" log
end
module two

# ---- users ----

if [ "$(id -u)" = 0 ]; then
    begin --user nobody
    expect "workers run as who was asked for" "[0-9]+ $(id -u nobody)" ask "$url/pid"
    end
fi

tally
