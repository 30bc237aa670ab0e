#!/usr/bin/env bash
#
# middleware.sh - the example with ready-made middleware, as curl sees it.

set -uo pipefail
# shellcheck source=tests/interop/common.bash
. "$(dirname "$0")/common.bash"
needs curl

serve server.log "$build/examples/middleware" --listen 127.0.0.1:0 --workers 1 \
    --access-log access.log

fetch() { curl -s --max-time 20 "$@"; }
# The status of the reply with a field of it.
field() { fetch -o /dev/null -w "%{http_code} %header{$1}" "${@:2}"; }

# ---- compression ----

orders="$url/api/orders?count=20000"
fetch "$orders" >plain.json
# Only what curl was built to decode.
for coding in gzip br zstd; do
    name=$coding
    [ "$coding" = gzip ] && name=libz
    [ "$coding" = br ] && name=brotli
    curl -V | grep -q "^Features.*$name" || { echo "curl has no $coding"; continue; }
    fetch --compressed -H "Accept-Encoding: $coding" -D head.txt "$orders" \
        >decoded.json
    expect "$coding comes back as it was" '' cmp plain.json decoded.json
    expect_in "and is named" "Content-Encoding: $coding" cat head.txt
    fetch -H "Accept-Encoding: $coding" "$orders" >coded
    expect "it is a fifth of it at most" 1 \
        awk -v a="$(stat -c %s coded)" -v b="$(stat -c %s plain.json)" \
        'BEGIN { print (a * 5 < b) }'
done
expect "what curl likes best is one of them" '200 (gzip|br|zstd)' \
    field content-encoding --compressed "$orders"
expect "who asks for nothing gets it plain" '200 ' \
    field content-encoding "$orders"
expect "it depends on the request" '200 Origin, Accept-Encoding' \
    field vary "$orders"
expect "what is small stays plain" '200 ' \
    field content-encoding --compressed "$url/api/orders?count=3"
expect "HTTP/1.0 gets it, too" '' cmp plain.json <(
    fetch -0 --compressed -H 'Accept-Encoding: gzip' "$orders")
if have python3; then
    gunzip() { python3 -c 'import gzip,sys
sys.stdout.buffer.write(gzip.decompress(sys.stdin.buffer.read()))'; }
    expect "another gzip reads it as well" '' cmp plain.json <(
        fetch -H 'Accept-Encoding: gzip' "$orders" | gunzip)
fi

# ---- ETag ----

etag=$(fetch -o /dev/null -w '%header{etag}' "$url/api/orders")
expect "a reply has a hash" '"[0-9a-f]{32}"' echo "$etag"
expect "who has it gets 304" "304 $etag" \
    field etag -H "If-None-Match: $etag" "$url/api/orders"
expect "and no body" '' fetch -H "If-None-Match: $etag" "$url/api/orders"

# ---- the rest ----

expect "pages of the shop may read" '200 https://a.shop.example' \
    field access-control-allow-origin -H 'Origin: https://a.shop.example' \
    "$url/api/orders"
expect "others may not" '200 ' field access-control-allow-origin \
    -H 'Origin: https://evil.example' "$url/api/orders"
expect "a preflight is answered" '204 Content-Type, Authorization' \
    field access-control-allow-headers -X OPTIONS \
    -H 'Origin: https://a.shop.example' \
    -H 'Access-Control-Request-Method: POST' "$url/api/orders"
expect "the nonce of the page is that of its policy" 1 bash -c "
    curl -s -D nonce.txt -o page.html $url/
    nonce=\$(grep -o 'nonce-[^'\\'']*' nonce.txt | cut -c 7-)
    grep -c \"nonce=\\\"\$nonce\\\"\" page.html"
expect "no frames" '200 DENY' field x-frame-options "$url/"
expect "https is not insisted on here" '200 ' \
    field strict-transport-security "$url/"
expect "behind a proxy that speaks it, it is" '200 max-age=31536000' \
    field strict-transport-security -H 'X-Forwarded-Proto: https' "$url/"
expect "a password is asked for" '401 Basic realm="orders", charset="UTF-8"' \
    field www-authenticate "$url/admin"
expect "a wrong one is none" 401 fetch -o /dev/null -w '%{http_code}' \
    -u Ada:wrong "$url/admin"
expect "the right one passes, and the proxy is believed" \
    'Ada, from 192.0.2.7 by https' fetch -u Ada:lovelace \
    -H 'X-Forwarded-For: 6.6.6.6, 192.0.2.7' -H 'X-Forwarded-Proto: https' \
    "$url/admin"
expect "who is slow is stopped" 503 fetch -o /dev/null -w '%{http_code}' \
    -u Ada:lovelace "$url/admin/slow"
expect "a body may be so long" '65536 bytes' fetch --data-binary @<(
    head -c 65536 /dev/zero) "$url/api/orders"
expect "and no longer" 413 fetch -o /dev/null -w '%{http_code}' \
    --data-binary @<(head -c 65537 /dev/zero) "$url/api/orders"
expect "the id of a trusted sender is kept" '200 my-id.1' \
    field x-request-id -H 'X-Request-ID: my-id.1' "$url/"

# ---- the access log ----

wait_for_text access.log '.*my-id\.1$' >last.txt
expect "a request is logged" \
    '127.0.0.1 - "GET / HTTP/1.1" 200 [0-9]+ [0-9]+\.[0-9]{6} my-id\.1' \
    cat last.txt
expect_in "with the client the proxy told, and the user" \
    '192.0.2.7 Ada "GET /admin HTTP/1.1" 200' cat access.log
mv access.log access.log.1
kill -USR1 "$pid"
for _ in $(seq 200); do [ -e access.log ] && break; sleep 0.05; done
fetch -o /dev/null -H 'X-Request-ID: rotated' "$url/none"
wait_for_text access.log '.*rotated$' >last.txt
expect "it goes on in a new file" '.*"GET /none HTTP/1.1" 404 .*' cat last.txt
fetch -o /dev/null -H 'X-Request-ID: the-last' "$url/"
kill "${pids[@]}"
wait "$pid"
expect "a drained server exits with 0" 0 echo $?
pids=()
expect_in "and has written all there was to log" 'the-last' cat access.log
expect "nothing but the slow one is logged as an error" 1 \
    grep -c ' ERROR ' server.log

tally
