#!/usr/bin/env bash
#
# serve_system.sh - what workers give up and what is left to them: users,
# capabilities, chroot, umask and the sandbox, in which PostgreSQL, Redis, TLS,
# log files and crash reports go on; and what a service manager hears.

set -uo pipefail
# shellcheck source=tests/interop/common.bash
. "$(dirname "$0")/common.bash"
# shellcheck source=tests/interop/servers_common.bash
. "$source/tests/interop/servers_common.bash"
trap 'stop_servers; finish' EXIT
((EUID == 0)) || { echo "needs root: users and roots are changed"; exit 77; }
needs curl python3 cc openssl psql

eddy=$build/eddy
# Under ASan: finding leaks takes a process, which a sandbox does not give.
export ASAN_OPTIONS=detect_leaks=0
cc -shared -fPIC -O1 -I "$source/include" \
    "$source/tests/interop/serve_system_module.c" -o app.so || exit 1
ask() { curl -sk --max-time 20 "$@"; }
until_said() { # TEXT
    wait_for_text log "$1" >/dev/null || fail "not said: $1"
}
begin() { # OPTION...
    : >log
    rm -f pid
    serve log "$eddy" serve app.so --listen 127.0.0.1:0 --pidfile "$work/pid" \
        --ctl none --workers 1 "$@"
    until_said 'is ready'
}
end() {
    kill -TERM "$pid"
    wait "$pid"
    pids=()
}
line() { ask "$url/status" | sed -n "s/^$1:\t*//p"; }
writes() { ask -G --data-urlencode "path=$1" "$url/write"; }

# ---- a user ----

mkdir open && chmod 777 open
begin --user nobody --umask 027
expect "a worker runs as its user" $'65534\t65534\t65534\t65534' line Uid
expect "and its user's group alone" '65534 ?' line Groups
for set in CapInh CapPrm CapEff CapBnd CapAmb; do
    expect "without $set" 0000000000000000 line $set
done
expect "and can get none" 1 line NoNewPrivs
expect "root's files are not its own" 'Permission denied' writes "$work/mine"
expect "others' may be" written writes "$work/open/file"
expect "with the mode of the umask" 640 stat -c %a open/file
expect "it may run programs" hello ask "$url/run"
expect "nobody is warned" 0 grep -c 'run as root' log
end

begin
expect_in "root is warned of" 'workers run as root' cat log
expect "once" 1 grep -c 'run as root' log
end
expect_in "an unknown user is an error" "--user 'nobdy' is not known here" \
    "$eddy" serve app.so --listen 127.0.0.1:0 --user nobdy
expect_in "another one is for root" "--user 'root' is for root to change" \
    setpriv --reuid=nobody --regid=nogroup --clear-groups \
    "$eddy" serve "$work/app.so" --listen 127.0.0.1:0 --user root

# ---- one process ----

mkdir roots
of_one() { ask --unix-socket roots/s http://x/status | sed -n "s/^$1:\t*//p"; }
: >log
"$eddy" serve app.so --single --user nobody --listen "unix:$work/roots/s" \
    >log 2>&1 &
pid=$!
pids+=("$pid")
until_said 'listening on'
expect "a single process opens what its user may not" $'65534\t65534\t65534\t65534' \
    of_one Uid
end

# ---- the admin process ----

children() { cat "/proc/$pid/task/$pid/children"; }
admin() { # of the processes the master has started, the one without the app
    for child in $(children); do
        grep -qs app.so "/proc/$child/maps" || echo "$child"
    done
}
of_admin() { sed -n "s/^$1:\t*//p" "/proc/$(admin)/status"; }
ctl() { "$eddy" ctl --socket "$work/ctl" "$@"; }
tell() { # PATH BODY
    ask -H "Authorization: Bearer $(cat token)" -d "$2" "$admin_url$1"
}
looks_in() { # HOW
    expect "what it tells of workers is whole $1" '.*"unreachable":\[\].*' \
        ctl --json ps
    expect_in "and what it tells of the master $1" process_open_fds \
        ask "$admin_url/metrics"
    expect_in "the token that only root can read holds $1" '"ok":true' \
        tell /v1/log-level '{"level":"info"}'
}
echo secret >token && chmod 600 token
administered() { # OPTION...
    begin --ctl "$work/ctl" --admin 127.0.0.1:0 --admin-token "$work/token" \
        --user nobody "$@"
    admin_url=$(sed -n 's/.*admin on //p' log)
    for _ in $(seq 400); do ask "$admin_url/healthz" >/dev/null && break; sleep 0.05; done
}
administered
expect "the admin process runs as the user of workers" \
    $'65534\t65534\t65534\t65534' of_admin Uid
for set in CapInh CapPrm CapEff CapBnd CapAmb; do
    expect "without $set there" 0000000000000000 of_admin $set
done
expect "and can get none there" 1 of_admin NoNewPrivs
looks_in "as that user"
expect_in "workers cannot get into it" 'Permission denied' \
    setpriv --reuid=nobody --regid=nogroup --clear-groups \
    cat "/proc/$(admin)/mem"
expect_in "that it cannot read the token again is told" \
    "admin-token $work/token" grep WARN log
ctl reload >/dev/null
for _ in $(seq 400); do grep -q ' reloaded$' log && break; sleep 0.05; done
looks_in "after a reload"
end
administered --sandbox
expect "it is in a sandbox when workers are" 2 of_admin Seccomp
looks_in "in a sandbox"
end

# ---- the first process of a container ----

if unshare --pid --fork true 2>/dev/null; then
    : >log
    unshare --pid --fork --kill-child "$eddy" serve app.so --user nobody \
        --listen 127.0.0.1:0 --ctl none --workers 1 >log 2>&1 &
    pid=$!
    pids+=("$pid")
    until_said 'is ready'
    url=$(sed -n 's/.*listening on //p' log)
    first=$(children)
    kill -USR2 "$first"
    until_said 'no upgrade: with process 1 its container ends'
    expect "which does not end for an upgrade" 42 ask "$url/block"
    kill -HUP "$first"
    until_said ' reloaded$'
    expect "and has new code by a reload" 42 ask "$url/block"
    kill -TERM "$first"
    wait "$pid"
    pids=()
fi

# ---- certificates of a user ----

openssl req -x509 -newkey rsa:2048 -nodes -keyout key.pem -out cert.pem \
    -days 2 -subj /CN=localhost >/dev/null 2>&1 || exit 1
chown nobody key.pem
begin --user nobody --certfile "$work/cert.pem" --keyfile "$work/key.pem"
expect "it speaks TLS" 1 line NoNewPrivs
expect "what seals tickets is nobody else's to read" 0 grep -c 'every user' log
kill -HUP "$(line Pid)"
until_said 'certificates'
expect "and certificates are read again, tickets going on" 1 \
    grep -c 'certificates reloaded' log
end
rm key.pem cert.pem

# ---- the journal ----

JOURNAL_STREAM=$(stat -c %d:%i log) begin --user nobody
ask "$url/crash"
until_said 'ended by signal 6'
expect "the journal is told the level of lines" 1 grep -c '^<6>.*listening on' log
expect "also of what a worker tells that ends there" 1 grep -c '^<3>.*GET /crash' log
expect "of every line" 0 grep -vc '^<[346]>' log
end

# ---- another root ----

# The module is loaded before: its libraries are not in there.
mkdir -p cage/tmp && chmod 777 cage/tmp
begin --chroot "$work/cage" --user nobody --preload
expect "a worker's root is another" written writes /tmp/file
expect "as seen from outside" 0 stat -c %s cage/tmp/file
expect "all else is not there" 'No such file or directory' writes "$work/x"
end

# ---- the sandbox ----

openssl req -x509 -newkey rsa:2048 -nodes -keyout key.pem -out cert.pem \
    -days 2 -subj /CN=localhost >/dev/null 2>&1 || exit 1
mkdir logs kept && chown nobody logs kept
begin --user nobody --sandbox --sandbox-write "$work/kept" \
    --access-log "$work/logs/access.log" --certfile cert.pem --keyfile key.pem
expect "a worker answers from a sandbox, by TLS" 2 line Seccomp
expect "threads can be had" 42 ask "$url/block"
expect "programs cannot" 'Operation not permitted' ask "$url/execute"
expect_in "not by the library either" 'not permitted' ask "$url/run"
if grep -q 'no Landlock' log; then
    echo "no Landlock in this kernel: files are not tried"
else
    expect "files are written where the settings say" written writes \
        "$work/kept/file"
    expect "and nowhere else" 'Permission denied' writes "$work/open/other"
fi
mv logs/access.log logs/access.log.1
kill -USR1 "$pid"
for _ in $(seq 400); do [ -e logs/access.log ] && break; sleep 0.05; done
ask "$url/block" >/dev/null
wait_for_text logs/access.log 'GET /block' >/dev/null # lines come in batches
expect_in "a log is opened anew" 'GET /block' cat logs/access.log
ask "$url/crash"
until_said 'ended by signal 6'
expect_in "a crash is told of" 'GET /crash' cat log
for _ in $(seq 400); do [ "$(grep -c 'is ready' log)" -ge 2 ] && break; sleep 0.05; done
expect "and another worker comes" 42 ask "$url/block"
end

# ---- a service with databases, in a sandbox ----

start_postgres max_connections=20
start_redis
export DATABASE_URL=$pg_dsn REDIS_URL=redis://127.0.0.1:$redis_port
timeout 60 "$build/examples/arena" --seed >seed.log 2>&1 || fail "$(cat seed.log)"
: >log
serve log "$build/examples/arena" --listen 127.0.0.1:0 --ctl none --workers 2 \
    --user nobody --sandbox
until_said 'is ready'
expect "the arena answers" '\{"message":"Hello, World!"\}' ask "$url/json"
expect "with a row of PostgreSQL" '\{"id":[0-9]+,"randomNumber":[0-9]+\}' ask "$url/db"
expect "with rows it has changed" \
    '\[\{"id":[0-9]+,"randomNumber":[0-9]+\}(,\{[^]]*)\]' ask "$url/updates?queries=3"
expect_in "with what Redis keeps" '"id":42' ask "$url/crud/items/42"
# It is kept for 200 ms, in which a busy machine may do something else.
hit() {
    local answer _
    for _ in {1..20}; do
        answer=$(ask "$url/crud/items/42" && ask -i "$url/crud/items/42")
        [[ $answer != *HIT* ]] || break
    done
    echo "$answer"
}
expect_in "which is a hit the second time" HIT hit
end
serve log "$build/examples/hello" --listen 127.0.0.1:0 --ctl none --sandbox \
    --user nobody --sandbox-read "$work"
expect "the smallest service answers" 'Hello, world!' ask "$url/"
end

# ---- a service manager ----

cat >manager.py <<'PYTHON'
import socket, sys
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.bind(sys.argv[1])
while True:
    print(s.recv(4096).decode().replace("\n", " "), flush=True)
PYTHON
unset DATABASE_URL REDIS_URL
python3 manager.py "$work/notify" >heard &
manager=$!
for _ in $(seq 400); do [ -e notify ] && break; sleep 0.05; done
heard() { # TEXT
    wait_for_text heard "$1" >/dev/null && kept || broken "heard: $1" "$(cat heard)"
}
export NOTIFY_SOCKET=$work/notify WATCHDOG_USEC=1000000
echo '[serve]' >conf
begin --user nobody --config "$work/conf"
pids+=("$manager")
heard "MAINPID=$pid READY=1"
heard 'STATUS=1 workers serve'
heard 'WATCHDOG=1'
kill -HUP "$pid"
heard 'RELOADING=1 MONOTONIC_USEC=[0-9]*$'
heard '^READY=1'
echo 'nonsense = yes' >>conf
kill -HUP "$pid"
heard '^STATUS=the last reload failed'
echo '[serve]' >conf
former=$pid
kill -USR2 "$pid"
until_said 'takes over from'
for _ in $(seq 400); do kill -0 "$former" 2>/dev/null || break; sleep 0.05; done
pid=$(cat pid)
heard "MAINPID=$pid READY=1"
heard "MAINPID=$pid$" # once more, as a child of the manager's
expect "after another, or systemd would not look" 1 \
    sh -c "grep -B 1 -x 'MAINPID=$pid' heard | grep -vc '$pid'"
expect "an upgrade does not stop the service" 0 grep -c STOPPING heard
kill -TERM "$pid"
heard 'STOPPING=1'
pids=("$pid" "$manager")
tally
