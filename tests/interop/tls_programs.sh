#!/usr/bin/env bash
#
# tls_programs.sh - an HTTP server over TLS, and the programs people ask it
# with: curl, Python, node, gnutls-cli and openssl. What they send comes back
# unharmed, they resume, renew keys and leave in the middle; certificates of
# clients count. A program that is not installed is left out.

# shellcheck source=tests/interop/tls_common.bash
. "$(dirname "$0")/tls_common.bash"
compile tls_target

certificates() {
    make_ca ca 'Test CA' && make_ca other_ca 'Other CA' || return
    issue site DNS:localhost,IP:127.0.0.1 && issue ann '' clientAuth || return
    new_key eve.key
    openssl req -x509 -key eve.key -subj '/CN=eve' -CA other_ca.pem \
        -CAkey other_ca.key -days 10 -out eve.crt
    cat eve.crt eve.key >eve.pem
}
prepare certificates
head -c 3000000 /dev/urandom >large
serve log ./tls_target site.pem

# ---- curl ----

fetch() { timeout 60 curl -sS --cacert ca.pem "$@"; }
round_trip() { # OPTION...
    rm -f back
    fetch "$@" -o back "$url/echo" && cmp large back
}
# What curl was told of its second connection: the session is the first one's.
second() { # OPTION...
    fetch -H 'Connection: close' "$@" "$url/info" "$url/info" |
        grep -o '"resumed":[a-z]*' | tail -n 1
}

expect_in "curl speaks TLS 1.3" '"version":"TLSv1.3"' fetch "$url/info"
expect_in "curl speaks TLS 1.2" '"version":"TLSv1.2"' \
    fetch --tls-max 1.2 "$url/info"
expect_in "a name that is given arrives" '"name":"localhost"' \
    fetch "https://localhost:$port/info"
expect_in "so does the protocol" '"alpn":"http/1.1"' fetch "$url/info"
expect_in "none need be offered" '"alpn":""' fetch --no-alpn "$url/info"
expect "an offer of HTTP/2 is passed over" 'HTTP/1.1' \
    fetch --http2 -o /dev/null -w 'HTTP/%{http_version}' "$url/"
expect "TLS 1.1 fails" 35 status_of \
    fetch --tlsv1.0 --tls-max 1.1 --ciphers ALL@SECLEVEL=0 "$url/"
expect "curl does not trust a CA of ours by itself" 60 \
    status_of curl -s "$url/"
expect "curl keeps its connection" 10 fetch -w '%{num_connects}' \
    -o /dev/null -o /dev/null "$url/counts" "$url/counts"
expect "and resumes in TLS 1.3" '"resumed":true' second
# (Of TLS 1.2 curl takes no tickets.)
expect "HTTP/1.0 has an end" $'1000\nHTTP/1.0 0' fetch --http1.0 -o thousand \
    -w "%{size_download}\nHTTP/1.0 %{exitcode}" "$url/bytes?n=1000"
for cipher in TLS_AES_128_GCM_SHA256 TLS_AES_256_GCM_SHA384 \
    TLS_CHACHA20_POLY1305_SHA256; do
    expect "a body comes back by $cipher" '' round_trip \
        --tls13-ciphers "$cipher" --data-binary @large
done
for cipher in ECDHE-ECDSA-AES128-GCM-SHA256 ECDHE-ECDSA-AES256-GCM-SHA384 \
    ECDHE-ECDSA-CHACHA20-POLY1305; do
    expect "a body comes back by $cipher" '' round_trip --tls-max 1.2 \
        --ciphers "$cipher" --data-binary @large
done
for version in 1.2 1.3; do
    expect "a chunked body comes back by TLS $version" '' round_trip \
        --tls-max "$version" -T - <large
    expect "a large body arrives by TLS $version" 100000000 bash -c \
        "curl -sS --cacert ca.pem --tls-max $version '$url/bytes?n=100000000' |
            wc -c"
    expect "a client that reads slowly gets all by TLS $version" '' \
        round_trip --tls-max "$version" --limit-rate 3M --data-binary @large
done

# Nobody is left but who asks.
alone() {
    local counts
    for _ in $(seq 400); do
        counts=$(fetch "$url/counts")
        [[ $counts == *'"open":1,"in_flight":1'* ]] && return
        sleep 0.05
    done
    echo "$counts"
}
curl -sS --cacert ca.pem -N "$url/forever" >forever &
receiver=$!
curl -sSN --cacert ca.pem --limit-rate 50k -T large "$url/echo" >piece &
sender=$!
pids+=("$receiver" "$sender")
until [ -s forever ] && [ -s piece ]; do
    kill -0 "$receiver" && kill -0 "$sender" || exit 1
    sleep 0.02
done
{
    kill -KILL "$receiver" "$sender"
    wait "$receiver" "$sender"
} 2>/dev/null
expect "clients that are killed leave nothing behind" '' alone

# ---- Python ----

cat >client.py <<'PYTHON'
import http.client
import json
import socket
import ssl
import sys
import urllib.request

url, port = sys.argv[1], int(sys.argv[2])
large = open("large", "rb").read()
trust = ssl.create_default_context(cafile="ca.pem")
with urllib.request.urlopen(url + "/echo", large, 30, context=trust) as r:
    assert r.read() == large

def ask(version, session=None):
    """One request on a connection of its own, read to a proper end."""
    trust.maximum_version = version
    raw = socket.create_connection(("127.0.0.1", port), 30)
    s = trust.wrap_socket(raw, server_hostname="localhost", session=session,
                          suppress_ragged_eofs=False)
    s.sendall(b"GET /info HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
    reply = b"".join(iter(lambda: s.read(1000), b""))
    info = json.loads(reply.split(b"\r\n\r\n")[1])
    wanted = session is not None
    assert (info["resumed"], s.session_reused) == (wanted, wanted), info
    session = s.session
    s.unwrap().close()
    return session

for version in ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3:
    ask(version, ask(version))
trust.maximum_version = ssl.TLSVersion.MAXIMUM_SUPPORTED

c = http.client.HTTPSConnection("127.0.0.1", port, timeout=30, context=trust)
places = set()
for i in range(50):
    c.request("POST", "/echo", large[:i * 1000])
    assert c.getresponse().read() == large[:i * 1000]
    c.request("GET", "/info")
    places.add(json.load(c.getresponse())["from"])
assert len(places) == 1
PYTHON
expect "Python's ssl, urllib and http.client are content" '' \
    python3 client.py "$url" "$port"

cat >many.py <<'PYTHON'
import asyncio
import ssl
import sys

import aiohttp

url = sys.argv[1]
trust = ssl.create_default_context(cafile="ca.pem")
large = open("large", "rb").read()[:500000]

async def post(session, i):
    async with session.post(url + "/echo", data=large[i:], ssl=trust) as r:
        assert await r.read() == large[i:]

async def leave(session):
    async with session.get(url + "/forever", ssl=trust) as r:
        await r.content.readany()

async def main():
    async with aiohttp.ClientSession() as session:
        await asyncio.gather(*(post(session, i) for i in range(50)),
                             *(leave(session) for _ in range(20)))

asyncio.run(main())
PYTHON
for python in python3 /usr/bin/python3; do
    "$python" -c 'import aiohttp' 2>/dev/null || continue
    expect "aiohttp is content" '' "$python" many.py "$url"
    break
done

# ---- node ----

cat >client.js <<'JS'
const assert = require('assert'), fs = require('fs'), https = require('https');
const [, , url, port] = process.argv;
const large = fs.readFileSync('large');

async function undici() {
    const post = async (i) => {
        const body = large.subarray(i * 1000);
        const res = await fetch(url + '/echo', {method: 'POST', body});
        assert(Buffer.from(await res.arrayBuffer()).equals(body));
    };
    await Promise.all([...Array(30).keys()].map(post));
    await Promise.all([...Array(20)].map(async () => {
        const stop = new AbortController();
        const res = await fetch(url + '/forever', {signal: stop.signal});
        await res.body.getReader().read();
        stop.abort();
    }));
    for (let i = 0; i < 20; i++)
        assert.equal((await fetch(url + '/info')).status, 200);
}

function ask(agent) {
    return new Promise((done, fail) => {
        https.get({host: 'localhost', port, path: '/info', agent}, (res) => {
            let body = '';
            const reused = res.socket.isSessionReused();
            res.on('data', (piece) => body += piece);
            res.on('end', () => done({...JSON.parse(body), reused}));
        }).on('error', fail);
    });
}

async function sessions(maxVersion) {
    const agent = new https.Agent({keepAlive: false, maxVersion});
    assert.equal((await ask(agent)).resumed, false);
    const second = await ask(agent);
    assert.equal(second.version, maxVersion);
    assert(second.resumed && second.reused);
    const kept = new https.Agent({keepAlive: true, maxSockets: 1, maxVersion});
    const places = new Set();
    for (let i = 0; i < 20; i++)
        places.add((await ask(kept)).from);
    assert.equal(places.size, 1);
    kept.destroy();
}

(async () => {
    await undici();
    await sessions('TLSv1.2');
    await sessions('TLSv1.3');
    process.exit(0);
})();
JS
have node && expect "node's fetch and https are content" '' \
    env NODE_EXTRA_CA_CERTS=ca.pem NODE_OPTIONS=--dns-result-order=ipv4first \
    node client.js "$url" "$port"

# ---- gnutls-cli and openssl: what only they do ----

get=$'GET /info HTTP/1.1\r\nHost: a\r\n\r\n'
count() { grep -aoF -- "$1" "$2" | wc -l; } # TEXT LOG
wait_for() { # LOG COUNT TEXT
    for _ in $(seq 200); do
        [ "$(count "$3" "$1")" -ge "$2" ] && return
        sleep 0.05
    done
}
# Asks, and asks again behind each command, each when the answer to what was
# said before is there: commands are taken from the start of a line only.
talk() { # LOG DONE COMMAND...
    local log=$1 done=$2 n=0
    shift 2
    printf '%s' "$get"
    for command; do
        n=$((n + 1))
        wait_for "$log" $n 'HTTP/1.1 200 OK'
        printf '%s\n' "$command"
        wait_for "$log" $n "$done"
        printf '%s' "$get"
    done
    wait_for "$log" $((n + 1)) 'HTTP/1.1 200 OK'
}
# How many answers there were to one request and one behind each command.
gnutls() { # PRIORITY COMMAND...
    : >gnutls.log
    talk gnutls.log ' was completed' "${@:2}" 2>&1 |
        timeout 30 gnutls-cli --x509cafile ca.pem --inline-commands \
            --priority "NORMAL:-VERS-ALL:$1" -p "$port" localhost \
            >gnutls.log 2>&1
    count 'HTTP/1.1 200 OK' gnutls.log
}
s_client() { # OPTIONS COMMAND...
    : >openssl.log
    # shellcheck disable=SC2086 # options are words
    talk openssl.log KEYUPDATE "${@:2}" | timeout 30 openssl s_client \
        -CAfile ca.pem -connect "127.0.0.1:$port" -verify_return_error $1 \
        >openssl.log 2>&1
    count 'HTTP/1.1 200 OK' openssl.log
}
if have gnutls-cli; then
    expect "gnutls-cli is answered by TLS 1.2" 1 gnutls +VERS-TLS1.2
    expect "and by TLS 1.3" 1 gnutls +VERS-TLS1.3
    expect "and after it has renewed its keys, and had ours renewed" 5 \
        gnutls +VERS-TLS1.3 ^rekey1^ ^rekey^ ^rekey^ ^rekey1^
fi
expect "openssl is answered after its keys were renewed" 3 s_client '' k k
expect "and after both sides' were" 4 s_client '' K k K
group() { s_client '-groups P-521:P-256' >/dev/null; cat openssl.log; }
expect_in "who has another group first is asked again" 'ECDH, prime256v1' \
    group
expect "small records are answered" 1 s_client '-max_send_frag 512'
expect "in pieces, too" 1 s_client '-split_send_frag 1 -max_pipelines 1'
expect "so is who wants small ones" 1 s_client '-maxfraglen 512'

# ---- clients with certificates ----

serve required.log ./tls_target site.pem 0 ca.pem required
for version in 1.2 1.3; do
    expect_in "who shows a certificate is known by TLS $version" \
        '"verified":true,"subject":"CN=ann"' fetch --cert ann.pem \
        --tls-max "$version" "$url/info"
    expect_in "who has none is told so by TLS $version" 'alert' \
        fetch --tls-max "$version" "$url/info"
    expect_in "so is who has one of another CA by TLS $version" \
        'alert unknown ca' fetch --tls-max "$version" --cert eve.pem "$url/info"
done
expect_in "a body comes back to them" '' fetch --cert ann.pem \
    --data-binary @large -o back "$url/echo"
expect "unharmed" '' cmp large back
serve optional.log ./tls_target site.pem 0 ca.pem optional
expect_in "who need not show one may" '"verified":true,"subject":"CN=ann"' \
    fetch --cert ann.pem "$url/info"
expect_in "or not" '"verified":false,"subject":""' fetch "$url/info"
expect_in "but none of another CA" 'alert unknown ca' \
    fetch --cert eve.pem "$url/info"

kill "${pids[@]}" 2>/dev/null
wait
for log in log required.log optional.log; do
    expect "nothing was an error to the server ($log)" '' \
        grep -E 'ERROR|FATAL|Sanitizer|runtime error' "$log"
done
tally
