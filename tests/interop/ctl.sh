#!/usr/bin/env bash
#
# ctl.sh - eddy ctl: finds the server, shows what it answers, tells it what to
# do, and says what is wrong.

set -uo pipefail
# shellcheck source=tests/interop/ctl_common.bash
. "$(dirname "$0")/ctl_common.bash"

ctl() { "$eddy" ctl "$@"; }
# On a terminal of so many columns.
on_terminal() { # COLUMNS ARGUMENT...
    script -qec "stty cols $1; \"$eddy\" ctl ${*:2}" /dev/null </dev/null
}
line() { eval "$1"; } # of shell
# The output is a text, and nothing else.
is() { # PROMISE TEXT COMMAND...
    local output
    output=$("${@:3}" 2>&1)
    if [ "$output" = "$2" ]; then kept; else broken "$1" "$output"; fi
}
same_json() {
    ctl --json workers >a
    { curl -s --unix-socket "$shop" http://x/v1/workers && echo; } >b
    cmp a b && echo same
}
last_told() { tail -n 1 shop.told; }
n=$'\n'

mkdir run empty
export XDG_RUNTIME_DIR=$work/run
shop=$work/run/eddy-shop.ctl

# ---- where the server is ----

# What a server that died left behind is no server.
python3 -c "
import socket, sys
socket.socket(socket.AF_UNIX).bind(sys.argv[1])" run/eddy-dead.ctl

# Servers of others may run here; not where this looks.
# shellcheck disable=SC2016 # expands over there
lonely='for place in /run "/tmp/eddy-$(id -u)"; do
        [ ! -d "$place" ] || mount -t tmpfs none "$place"
    done
    exec "$@"'
if [ "$(id -u)" = 0 ]; then user=(); else user=(-r); fi
alone() { unshare -m "${user[@]}" bash -c "$lonely" lonely "$@"; }

# With sockets of units eddy@NAME in /run/eddy, which lead to that server.
# shellcheck disable=SC2016 # expands over there
as_units='IFS=, read -ra names <<<"$1"
    for name in "${names[@]}"; do
        mkdir -p "/run/eddy/$name" && ln -s "$2" "/run/eddy/$name/ctl"
    done
    exec "${@:3}"'
with_units() { # NAME,... ARGUMENT...
    alone env -u XDG_RUNTIME_DIR bash -c "$as_units" units "$1" "$shop" "${@:2}"
}
units() {
    expect_in "that of a unit is found" "/usr/bin/shop" \
        with_units shop "$eddy" ctl status
    is "of several units none is taken" \
        "eddy ctl: 2 servers run here; say which:$n  --socket /run/eddy/my-blog/ctl$n  --socket /run/eddy/my-shop/ctl" \
        with_units my-shop,my-blog "$eddy" ctl status
    [ "$(id -u)" = 0 ] && have setpriv || return
    cp "$eddy" ./eddy # who may not go where it is built
    expect_in "that of another user is not for everybody" "no permission" \
        with_units shop sh -c "chown -h 61234 /run/eddy/shop/ctl && exec setpriv \
            --reuid 61235 --regid 61235 --clear-groups ./eddy ctl status"
}

search() {
    expect_in "without a server that is said" \
        "no server found: nobody listens at eddy-NAME.ctl in /run/eddy, $work/run" \
        alone "$eddy" ctl status
    is "without a server it fails" 1 status_of alone "$eddy" ctl status
    look_into shop 200 "unix:$shop"
    expect_in "the only server that lives is found" "/usr/bin/shop" \
        alone "$eddy" ctl status
    expect_in "RUNTIME_DIRECTORY is looked into" "/usr/bin/shop" \
        alone env -u XDG_RUNTIME_DIR \
        RUNTIME_DIRECTORY="$work/empty:$work/run" "$eddy" ctl status
    units
    look_into blog 200 "unix:$work/run/eddy-blog.ctl"
    is "of several none is taken, all are listed" \
        "eddy ctl: 2 servers run here; say which:$n  --socket $work/run/eddy-blog.ctl$n  --socket $shop" \
        alone "$eddy" ctl status
    is "of several none is taken: usage" 2 status_of alone "$eddy" ctl status
}

# A socket that somebody else put into /tmp is not ours.
distrust() {
    local home=/tmp/eddy-61234 nobody=(setpriv --reuid 61234 --regid 61234
        --clear-groups)
    cp "$eddy" ./eddy # who may not go where it is built
    chmod 600 "$shop"
    expect_in "without permission that is said" "no permission" \
        "${nobody[@]}" ./eddy ctl --socket "$shop" status
    look_into shared 200 "unix:$work/run/eddy-shared.ctl"
    chmod 777 run/eddy-shared.ctl
    mkdir "$home"
    ln run/eddy-shared.ctl "$home/eddy-shared.ctl"
    chown 1:1 "$home"
    expect_in "a directory of another user is not trusted" "no server found" \
        alone env -u XDG_RUNTIME_DIR "${nobody[@]}" ./eddy ctl status
    chown 61234:61234 "$home"
    expect_in "one's own is" "/usr/bin/shop" \
        alone env -u XDG_RUNTIME_DIR "${nobody[@]}" ./eddy ctl status
    rm -r "$home"
}

if alone true 2>/dev/null; then
    search
    [ "$(id -u)" != 0 ] || ! have setpriv || distrust
else
    look_into shop 200 "unix:$shop"
fi
expect_in "a dead socket that is named is told" \
    "run/eddy-dead.ctl: no server there (Connection refused)" \
    ctl --socket "$work/run/eddy-dead.ctl" status
expect_in "so is one that is not there" "no server there" \
    ctl --socket "$work/none.ctl" status
expect_in "--socket says which" "/usr/bin/shop" ctl --socket "$shop" status
expect_in "EDDY_CTL says which" "/usr/bin/shop" \
    env EDDY_CTL="$shop" "$eddy" ctl status
export EDDY_CTL=$shop

# ---- what it shows ----

expect_in "ages are for people" "3d 04h" ctl status
expect_in "all addresses are told" "listens at       http+unix:///run/shop.sock" \
    ctl status
expect_in "numbers have separators, sizes units" \
    "1,840,211   12        5        0   212  611.2 s  48.2 MB        1" \
    ctl workers
expect_in "latencies have three digits" "1.82 ms" ctl stats
expect_in "a request shows where it waits" \
    "12.5 s  17.5 s  waiting  pg result" ctl ps
expect "--limit is asked for" 3 line "ctl ps --limit 2 | wc -l"
expect_in "a sort the server does not know is its to refuse" \
    "eddy ctl: unknown sort" ctl ps --sort size
expect_in "a stack names functions and lines" \
    "#3  yearly_totals  shop/reports.c:64" ctl stack 4101-7f21
expect_in "so do those of what it has started" \
    "#1  fetch_rates  shop/reports.c:33" ctl stack 4101-7f21
expect_in "and the scopes around them, with their time" \
    $'first\n  request, 17.5 s left\n  server' ctl stack 4101-7f21
expect_in "an unknown request is told" "no request of that id" ctl stack 1-1
expect_in "the tree is as the worker drew it" "    server: accept" ctl tree
expect_in "connections are shown" "1,204  idle" ctl conns
expect_in "watch shows a line a message" "42.1 ms" \
    line "ctl watch | head -n 2"
expect_in "and loops that stood still" \
    "  worker 4101 stood still for 412 ms in pdf_page < report" \
    line "ctl watch | head -n 6"
expect_in "watch --json gives the messages" '"requests_per_s":' \
    line "ctl --json watch | head -n 1"
expect "--json is what the server said" "same" \
    same_json

# ---- terminals ----

expect "nothing of a client's reaches the terminal as control" 0 \
    line "ctl ps | LC_ALL=C tr -d '\n' | LC_ALL=C grep -c '[[:cntrl:]]'"
expect "nor do turns of direction" 0 line "ctl ps | grep -c $'\u202e'"
expect "other alphabets do" 1 line "ctl ps | grep -c 'люди/Зоя'"
expect "but not in a locale that has none" 0 \
    line "LC_ALL=C ctl ps | LC_ALL=C grep -c '[^ -~]'"
expect "a line fits the terminal" 0 \
    line "NO_COLOR=1 on_terminal 120 ps | tr -d '\r' | grep -c '.\{121,\}'"
expect_in "what is cut shows it" "…" on_terminal 120 ps
expect_in "titles stand out on a terminal" $'\e[1m' on_terminal 120 ps
expect "NO_COLOR is heeded" 0 \
    line "NO_COLOR=1 on_terminal 120 ps | grep -c $'\e'"

# ---- what it tells the server ----

tells() { # BODY ARGUMENT...
    expect "ctl ${*:2} is told" "as told" ctl "${@:2}"
    is "ctl ${*:2} is told rightly" "POST /v1/$1" last_told
}
tells 'reload {"chain":false}' reload
tells 'reload {"chain":true}' reload --chain
tells 'scale {"workers":5}' scale 5
tells 'scale {"workers":6}' scale +1
tells 'scale {"workers":4}' scale -2
tells 'worker-stop {"pid":4101}' worker-stop 4101
tells 'log-level {"level":"debug"}' log-level debug
tells 'drain {}' drain
tells 'resume {}' resume
tells 'reopen {}' reopen
tells 'stop {}' stop
expect_in "a refusal is told in the server's words" \
    "eddy ctl: an upgrade is under way" ctl upgrade
expect "a refusal is a failure" 1 status_of ctl upgrade
expect_in "fewer than one worker there cannot be" "that would be -5 workers" \
    ctl scale -9
expect_in "drained is seen" "ready" ctl status

# ---- what is wrong ----

expect_in "a wrong command is told" "did you mean 'workers'?" ctl wokers
expect_in "and where help is" "eddy help ctl tells more" ctl wokers
expect_in "a wrong option is told" "no option '--limt' (did you mean '--limit'?)" \
    ctl ps --limt 3
expect_in "one that takes no value, too" "--json takes no value" ctl ps --json=3
expect_in "by top as well" "(did you mean '--socket'?); eddy help top tells more" \
    "$eddy" top --soket x
expect_in "and by the console" "no option '--wirte' (did you mean '--write'?)" \
    "$eddy" console --wirte
expect_in "a word too many leads to help" "eddy help top tells more" \
    "$eddy" top more
expect_in "what is no worker is told" "not 'all'" ctl worker-stop all
expect_in "a wrong number is told" "not 'many'" ctl scale many
expect_in "a wrong level is told" "not 'loud'" ctl log-level loud
expect_in "a stack needs a request" "stack needs ID" ctl stack
expect_in "an option of another command is told" "--chain and --no-wait are of reload" \
    ctl ps --chain
expect_in "what is too much is told" "what is 'more'" ctl status more
expect "wrong usage is 2" 2 status_of ctl
expect "help is none" 0 status_of ctl help
expect_in "help lists the commands" "log-level LEVEL" "$eddy" help ctl
echo 'no JSON' >v1/workers.json
expect "an answer that is none is a failure" 1 status_of ctl workers

# ---- a real server ----

export EDDY_CTL=$work/hello.ctl
"$build/examples/hello" --listen "unix:$work/hello.sock" --workers 2 \
    --ctl "$EDDY_CTL" >hello.log 2>&1 &
hello=$!
pids+=("$hello")
ready() { # N: waits until so many workers are
    for _ in $(seq 200); do
        ctl status 2>&1 | grep -q "workers ready    $1$" && echo yes && return
        sleep 0.05
    done
    ctl status
}
expect "its workers are counted" yes ready 2
expect_in "its socket may be named from here" "ready" \
    "$eddy" ctl --socket hello.ctl status
expect_in "it has requests" "requests                       1" \
    line "curl -s --unix-socket hello.sock http://x/ >/dev/null; ctl stats"
expect "scale gives it one more" 0 status_of ctl scale +1
expect "which becomes ready" yes ready 3
expect_in "its fibers are shown" "waits for requests" ctl tree
expect_in "its log level is set" "debug" ctl log-level debug
expect "it is reloaded" "reloaded" ctl reload
expect_in "by one worker after the other, too" '{"ok":true,"text":"reloaded"' \
    ctl reload --chain --json
expect "or without waiting for it" "reloading" ctl reload --no-wait
expect "stop is obeyed" 0 status_of ctl stop
wait "$hello"
expect "it has ended well" 0 echo "$?"
tally
