# wsgi_common.bash - what the tests of `eddy serve --wsgi` share; read by them.

# shellcheck source=tests/interop/common.bash
. "$(dirname "$0")/common.bash"
needs curl python3

eddy=$build/eddy
[ -e "$build/libeddy-wsgi.so" ] || { echo "no libeddy-wsgi.so"; exit 77; }
# Python keeps what it has allocated.
export ASAN_OPTIONS=${ASAN_OPTIONS:+$ASAN_OPTIONS:}detect_leaks=0

ask() { curl -s --max-time 20 "$@"; }
# Until a text has come so many times, or 20 s have passed.
until_said() { # LOG COUNT TEXT
    for _ in $(seq 400); do
        [ "$(grep -c -- "$3" "$1")" -ge "$2" ] && return
        sleep 0.05
    done
    echo "not said $2 times: $3"
    tail -n 40 "$1"
    failed=$((failed + 1))
}
# Starts one with a log of its own, and waits until all workers are ready.
wsgi() { # LOG WORKERS OPTION...
    serve "$1" "$eddy" serve --listen 127.0.0.1:0 --workers "$2" \
        --ctl "$work/ctl-$1" "${@:3}"
    until_said "$1" "$2" 'is ready'
}
quit() { # PID
    kill -TERM "$1"
    wait "$1"
}
