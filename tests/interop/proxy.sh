#!/bin/bash
# proxy.sh - the proxy example between curl and other servers.
set -euo pipefail

folder=$(mktemp -d)
pids=()
finish() {
    for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null || true; done
    rm -rf "$folder"
}
trap finish EXIT

start() { # NAME ARGUMENT...: starts an example, sets `address`
    local name=$1
    shift
    "$EDDY_BUILD/examples/$name" --listen 127.0.0.1:0 "$@" \
        >"$folder/$name.log" 2>&1 &
    pids+=($!)
    for _ in $(seq 100); do
        address=$(grep -o '127\.0\.0\.1:[0-9]*' "$folder/$name.log" | head -1) &&
            return
        sleep 0.05
    done
    cat "$folder/$name.log"
    exit 1
}

start mirror
mirror=$address
start proxy --allow "files.example, $mirror,127.0.0.1:1"
proxy=$address

fetch() { curl --silent --max-time 20 "$@"; }
status() { fetch --output /dev/null --write-out '%{http_code}' "$@"; }
expect() { # WANT GOT
    [ "$1" = "$2" ] || { echo "expected $1, got $2"; exit 1; }
}

expect OK "$(fetch "$proxy/?url=http://$mirror/")"
expect 200 "$(status "$proxy/?url=http://$mirror/")"
expect 200 "$(status --head "$proxy/?url=http://$mirror/")"

# Large bodies there and back, with a length and without.
head -c 30000000 /dev/urandom >"$folder/sent"
fetch --data-binary @"$folder/sent" --output "$folder/got" \
    "$proxy/?url=http://$mirror/"
cmp "$folder/sent" "$folder/got"
fetch --data-binary @"$folder/sent" --output "$folder/got" \
    --header 'Transfer-Encoding: chunked' "$proxy/?url=http://$mirror/"
cmp "$folder/sent" "$folder/got"

# The method, the type and Accept go on.
echo=$(fetch --request PUT --header 'Content-Type: text/x' \
    --header 'Accept: text/y' --data hi "$proxy/?url=http://$mirror/echo")
grep -qi '^content-type: text/x' <<<"$echo"
grep -qi '^accept: text/y' <<<"$echo"

# What is wrong is said, and by whom.
expect 400 "$(status "$proxy/")"
expect 400 "$(status "$proxy/?url=https://$mirror/")"
expect 400 "$(status "$proxy/?url=http://$mirror/%25%20")"
expect 403 "$(status "$proxy/?url=http://127.0.0.1:2/")"
expect 403 "$(status "$proxy/?url=http://$mirror@127.0.0.1:2/")"
expect 403 "$(status "$proxy/?url=http://me@$mirror/")"
expect 502 "$(status "$proxy/?url=http://127.0.0.1:1/")"
expect OK "$(fetch "$proxy/?url=http://$mirror/")"
