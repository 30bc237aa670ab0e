# serve_common.bash - a server of app.so, its processes, and what it says; read
# by tests of `eddy serve`, behind common.bash.
# shellcheck disable=SC2154 # which sets build, source and work

# shellcheck disable=SC2154 # common.bash has set what is used here
eddy=$build/eddy
module() { # TEXT [FLAG...]: app.so is another file then, as an installer does it
    cc -shared -fPIC -O1 -I "$source/include" -DTEXT="\"$1\"" "${@:2}" \
        "$source/tests/interop/serve_module.c" -o fresh.so || exit 1
    mv fresh.so app.so
}
ask() { curl -s --max-time 20 "$@"; }
children() { cat /proc/"$1"/task/*/children 2>/dev/null; }
# The workers are those that have an app.
workers() {
    for child in $(children "$pid"); do
        grep -qs app.so "/proc/$child/maps" && echo "$child"
    done
}
count() { workers | wc -l; }
# The requests for a page that are at the server.
at_work() { # TARGET
    "$eddy" ctl --socket "$work/ctl" ps --json 2>/dev/null | grep -o "\"target\":\"$1\""
}
# Until there is one for it.
until_at_work() { # TARGET
    for _ in $(seq 400); do
        at_work "$1" >/dev/null && return
        sleep 0.05
    done
    broken "somebody asks for $1" "$(tail -n 40 log)"
}
# Until a text has come so many times, or 20 s have passed.
until_said() { # COUNT TEXT
    for _ in $(seq 400); do
        [ "$(grep -sc -- "$2" log || :)" -ge "$1" ] 2>/dev/null && return
        sleep 0.05
    done
    echo "not said $1 times: $2"
    tail -n 40 log
    failed=$((failed + 1))
}
until_count() { # COUNT
    for _ in $(seq 400); do
        [ "$(count)" -eq "$1" ] && return
        sleep 0.05
    done
    echo "there are $(count) workers, not $1"
    failed=$((failed + 1))
}
until_gone() { # PID...
    for process; do
        for _ in $(seq 400); do
            kill -0 "$process" 2>/dev/null || break
            sleep 0.05
        done
        ! kill -0 "$process" 2>/dev/null || broken "process $process ends" "it has not"
    done
}
begin() { # OPTION...
    : >log
    serve log "$eddy" serve app.so --listen 127.0.0.1:0 --pidfile pid \
        --ctl "$work/ctl" --workers 2 "$@"
    until_said 2 'is ready'
}
end() {
    kill -TERM "$(cat pid)"
    for _ in $(seq 400); do [ -e pid ] || break; sleep 0.05; done
    until_gone "$pid" # whoever it is a child of
    pids=()
}
# The master that has taken over is ours from now on.
follow() {
    until_gone "$pid"
    pid=$(cat pid)
    # shellcheck disable=SC2034 # finish() of common.bash ends it
    pids=("$pid")
}
