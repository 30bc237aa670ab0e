#!/usr/bin/env bash
#
# app.sh - hello and mirror, as curl and plain sockets see them.

set -uo pipefail
# shellcheck source=tests/interop/common.bash
. "$(dirname "$0")/common.bash"
needs curl

start() { # NAME: an example
    serve "$1.log" "$build/examples/$1" --listen 127.0.0.1:0
}


fetch() { curl -s --max-time 20 --path-as-is "$@"; }
# The status of the reply, alone or with a field.
status() { fetch -o /dev/null -w '%{http_code}' "$@"; }
field() { fetch -o /dev/null -w "%{http_code} %header{$1}" "${@:2}"; }

# Sends bytes as they are (printf) and shows what comes until the end, without
# carriage returns.
raw() {
    exec 3<>"/dev/tcp/127.0.0.1/$port"
    # shellcheck disable=SC2059
    printf "$1" >&3
    timeout 20 cat <&3 | tr -d '\r'
    exec 3>&-
}

start hello
expect "GET / is answered" 'Hello, world!' fetch "$url/"
expect "as text" '200 text/plain; charset=utf-8' field content-type "$url/"
expect "an argument is decoded" 'Hello, A da/!' fetch "$url/hello/A%20da%2F"
expect "HEAD has the length alone" '200 14' field content-length -I "$url/"
expect "an unknown path is 404" 404 status "$url/none"
expect "another method is 405" '405 GET, HEAD, OPTIONS' \
    field allow -X DELETE "$url/"
expect "OPTIONS tells the methods" '200 GET, HEAD, OPTIONS' \
    field allow -X OPTIONS "$url/hello/x"
expect "OPTIONS * tells them all" '200 GET, HEAD, OPTIONS' \
    field allow -X OPTIONS --request-target '*' "$url"
expect "dots redirect, the query is kept" '308 /hello/x\?y=1' \
    field location "$url/a/.%2e/hello/x?y=1"
expect "following them arrives" 'Hello, x!' fetch -L "$url/a/../hello/x"
expect "a redirect stays on the host" '308 /evil.example' \
    field location "$url//evil.example/x/../../evil.example"
expect "bad encoding is 400" 400 status "$url/%zz"
expect "an error is JSON for programs" \
    '\{"error":\{"status":404,"reason":"Not Found"\}\}' \
    fetch -H 'Accept: application/json' "$url/none"
expect "and HTML for browsers" '404 text/html; charset=utf-8' \
    field content-type -H 'Accept: text/html,*/*;q=0.8' "$url/none"
expect "HTTP/1.0 is answered" '.*Hello, world!' fetch -0 "$url/"
expect "an absolute target is a path" $'HTTP/1.1 200 OK\n.*Hello, b!' \
    raw 'GET http://a/hello/b HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n'
expect "requests may come at once" '.*Hello, 1!.*Hello, 2!' \
    raw 'GET /hello/1 HTTP/1.1\r\nHost: a\r\n\r\nGET /hello/2 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n'

start mirror
head -c 5000000 /dev/urandom >large
expect "any request is answered" 'OK' fetch "$url/any/where?x"
expect "by any method" 200 status -X PURGE "$url/any"
expect "OPTIONS, too" 200 status -X OPTIONS "$url/any"
expect "an odd path, too" 200 status "$url//a%2Fb//"
expect "a body comes back" 'a=b' fetch -d a=b "$url/"
expect "with its type" '200 text/x-odd' \
    field content-type -H 'Content-Type: text/x-odd' -d a=b "$url/"
expect "an empty body is none" 'OK' fetch -X POST -H 'Content-Length: 0' "$url/"
fetch -T large "$url/x" >copy
expect "a large body comes back" '' cmp large copy
fetch -H 'Transfer-Encoding: chunked' -T large "$url/x" >copy
expect "in chunks, too" '' cmp large copy
expect "chunks come back as one text" '.*abcde.*' \
    raw 'POST / HTTP/1.0\r\nContent-Length: 5\r\n\r\nabcde'
expect "/echo shows field lines" $'Host: .*\nX-Odd: a  b' \
    fetch -H 'X-Odd: a  b' "$url/echo"
expect "/cookie shows cookies" $'a=1\nb="2"\nc=3' \
    fetch -H 'Cookie: a=1; b="2"' -H 'Cookie: c=3' "$url/cookie"
expect "no cookies, nothing to show" '' fetch "$url/cookie"

# Nothing went wrong meanwhile, and both stop when told to.
expect "nothing is logged as an error" '' grep -h ' ERROR ' hello.log mirror.log
kill "${pids[@]}"
for pid in "${pids[@]}"; do
    wait "$pid"
    expect "a drained server exits with 0" 0 echo $?
done
pids=()

tally
