#!/usr/bin/env bash
#
# http.sh - foreign clients and load generators against the server: what they
# send arrives, what they get is whole, and not one of their requests fails.
# A client that is not installed is left out.

set -uo pipefail
# shellcheck source=tests/interop/common.bash
. "$(dirname "$0")/common.bash"
needs curl
serve log "$build/examples/mirror" --listen 127.0.0.1:0

fetch() { curl -sS --http1.1 --max-time 20 "$@"; }

# A body goes there and back unharmed, sent in a way of curl's.
round_trip() { # OPTION...
    fetch "$@" -o back "$url/" && cmp "$work/large" back
}
# How many connections two requests took.
connections() { # OPTION...
    fetch -o /dev/null -w '%{num_connects}' "$@" "$url/" \
        --next -s --http1.1 -o /dev/null -w '%{num_connects}' "$@" "$url/"
}

head -c 3000000 /dev/urandom >large
expect "curl gets a page" OK fetch "$url/"
expect "curl keeps its connection" 10 connections
expect "curl keeps it over HTTP/1.0 as well" 10 connections --http1.0 \
    -H 'Connection: keep-alive'
expect "a body of known length comes back" '' round_trip --data-binary @large
expect "a chunked body comes back" '' round_trip \
    -H 'Transfer-Encoding: chunked' --data-binary @large
expect "a body that waits for 100 comes back" '' round_trip \
    -H 'Expect: 100-continue' --data-binary @large
expect "a file is uploaded" '' round_trip -T large
expect "an upload from a pipe comes back" '' bash -c \
    "curl -sS --http1.1 -T - '$url/' <large | cmp large -"
expect "a client that reads slowly gets all" '' round_trip \
    --limit-rate 2M --data-binary @large
expect "HEAD has no body" '' fetch -I -o /dev/null "$url/"
expect "an offer of HTTP/2 is passed over" $'OK\n1.1' \
    curl -sS --http2 -w '%{http_version}' "$url/"

# Netcat ends its side when told to; what it has sent is answered all the same.
if have nc; then
    ask() { printf '%b' "$1" | nc -N -w 30 127.0.0.1 "$port" | tr -d '\r'; }
    first_words() { ask "$@" | head -1; }
    count_replies() { ask "$@" | grep -c '^HTTP/1.1 200 OK'; }
    get='GET / HTTP/1.1\r\nHost: a\r\n\r\n'
    expect "netcat is answered" 'HTTP/1.1 200 OK' first_words "$get"
    expect "as is each request of a pipeline" 3 count_replies "$get$get$get"
    expect "nonsense is refused" 'HTTP/1.1 400 Bad Request' \
        first_words 'nonsense\r\n\r\n'
fi

if have python3; then
    cat >client.py <<'END'
import http.client, sys

c = http.client.HTTPConnection("127.0.0.1", int(sys.argv[1]), timeout=20)
for i in range(100):
    body = bytes([i]) * (i * 1000)
    pieces = iter([body[: i * 300], body[i * 300 :]])
    c.request("POST", "/", body=pieces if i % 2 else body,
              encode_chunked=bool(i % 2),
              headers={"Transfer-Encoding": "chunked"} if i % 2 else {})
    r = c.getresponse()
    got = r.read()
    assert r.status == 200 and (got == body or got == b"OK\n"), (i, r.status)
c.request("HEAD", "/")
r = c.getresponse()
assert r.read() == b"" and r.getheader("Content-Length") == "3"
END
    expect "Python's http.client is content" '' python3 client.py "$port"
fi

# Each of these says so when a single reply was bad or a connection broke.
failures_of_wrk() {
    wrk -t1 -c32 -d2 --timeout 30s "$url/" | grep -E 'Socket errors|Non-2xx|unable'
}
failures_of_h2load() {
    h2load --h1 -n 5000 -c 16 "$url/" |
        grep '^requests:' | grep -v ' 5000 succeeded, 0 failed'
}
have wrk && expect "wrk sees no failure" '' failures_of_wrk
have h2load && expect "h2load sees no failure" '' failures_of_h2load

expect "nothing was logged as an error" 0 grep -c ERROR log
kill -TERM $pid
wait $pid
status=$?
[ $status -eq 0 ] || broken "the server ended with $status" "$(cat log)"
tally
