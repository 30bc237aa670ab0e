#!/bin/bash
# proxy.sh - the proxy example between curl and other servers.
set -euo pipefail

# shellcheck source=tests/interop/common.bash
. "$(dirname "$0")/common.bash"
folder=$work

start() { # NAME ARGUMENT...: starts an example, sets `address`
    serve "$1.log" "$build/examples/$1" --listen 127.0.0.1:0 "${@:2}"
    address=${url#http://}
}

start mirror
mirror=$address
start proxy --allow "files.example, $mirror,127.0.0.1:1"
proxy=$address

fetch() { curl --silent --max-time 20 "$@"; }
status() { fetch --output /dev/null --write-out '%{http_code}' "$@"; }
same() { # WANT GOT
    [ "$1" = "$2" ] || fail "expected $1, got $2"
}

same OK "$(fetch "$proxy/?url=http://$mirror/")"
same 200 "$(status "$proxy/?url=http://$mirror/")"
same 200 "$(status --head "$proxy/?url=http://$mirror/")"

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
same 400 "$(status "$proxy/")"
same 400 "$(status "$proxy/?url=https://$mirror/")"
same 400 "$(status "$proxy/?url=http://$mirror/%25%20")"
same 403 "$(status "$proxy/?url=http://127.0.0.1:2/")"
same 403 "$(status "$proxy/?url=http://$mirror@127.0.0.1:2/")"
same 403 "$(status "$proxy/?url=http://me@$mirror/")"
same 502 "$(status "$proxy/?url=http://127.0.0.1:1/")"
same OK "$(fetch "$proxy/?url=http://$mirror/")"
