#!/usr/bin/env bash
#
# tls_server.sh - foreign clients against a server that speaks TLS: each version
# and cipher, sessions resumed, keys changed in the middle, large bodies both
# ways; and what is wrong: connections cut off, HTTP in the clear, handshakes
# that never end, a certificate that cannot be read again. A client that is not
# installed is left out.

set -uo pipefail
# shellcheck source=tests/interop/common.bash
. "$(dirname "$0")/common.bash"
needs curl openssl

make_certificate() { # SUBJECT
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes \
        -keyout new.key -out new.pem -days 2 -subj "/CN=$1" \
        -addext 'subjectAltName=DNS:localhost,IP:127.0.0.1' 2>/dev/null
    mv new.key site.key
    mv new.pem site.pem
}

make_certificate first
cp site.pem first.pem
serve log "$build/examples/mirror" --listen 127.0.0.1:0 --certfile site.pem \
    --keyfile site.key --log debug
url=https://localhost:$port

fetch() { curl -sS --max-time 20 --cacert site.pem "$@"; }
round_trip() { # OPTION...
    fetch "$@" -o back "$url/" && cmp "$work/large" back
}
connections() {
    fetch -o /dev/null -w '%{num_connects}' "$url/" \
        --next -s --cacert site.pem -o /dev/null -w '%{num_connects}' "$url/"
}

# --- curl -------------------------------------------------------------------

head -c 3000000 /dev/urandom >large
expect "curl gets a page" OK fetch "$url/"
expect "curl keeps its connection" 10 connections
expect "curl of TLS 1.2 gets a page" OK fetch --tls-max 1.2 "$url/"
for cipher in AES_128_GCM_SHA256 AES_256_GCM_SHA384 CHACHA20_POLY1305_SHA256; do
    expect "$cipher carries bodies" '' round_trip \
        --tls13-ciphers "TLS_$cipher" --data-binary @large
done
expect "TLS 1.2 carries bodies" '' round_trip --tls-max 1.2 -T large
expect "a client that reads slowly gets all" '' round_trip \
    --limit-rate 2M --data-binary @large
expect "a chunked body comes back" '' round_trip \
    -H 'Transfer-Encoding: chunked' --data-binary @large
expect "HTTP/1.1 is agreed on when HTTP/2 is offered too" $'OK\n1.1' \
    fetch --http2 -w '%{http_version}' "$url/"
expect "TLS 1.1 is refused" 35 bash -c "curl -s --max-time 20 --tls-max 1.1 \
    --ciphers DEFAULT@SECLEVEL=0 '$url/'; echo \$?"
expect "HTTP in the clear is told so" \
    $'400 Bad Request: plain HTTP was sent to a port that speaks TLS\n400' \
    curl -sS --max-time 20 -w '%{http_code}' "http://localhost:$port/"

# --- openssl ----------------------------------------------------------------

get='GET / HTTP/1.1\r\nHost: a\r\n\r\n'
# Speaks line by line, each when what was said before has been heard: commands
# are taken from the start of what comes. K and k are commands of s_client that
# change the keys, with and without asking for the same.
speak() { # LOG LINE...
    local line said=0 _
    for line in "${@:2}"; do
        printf '%b' "$line"
        said=$((said + 1))
        [[ $line != Q* ]] || return
        for _ in $(seq 400); do
            [ "$(grep -acE '^HTTP/1.1 200 OK|KEYUPDATE' "$1")" -ge $said ] && break
            sleep 0.05
        done
    done
}
s_client() { # OPTION... -- LINE...
    local options=()
    while [[ $1 != -- ]]; do
        options+=("$1")
        shift
    done
    : >s_client.log
    speak s_client.log "${@:2}" | timeout 60 openssl s_client \
        -connect "localhost:$port" -CAfile site.pem "${options[@]}" \
        >>s_client.log 2>&1
    cat s_client.log
}
replies() { s_client "$@" | grep -ac '^HTTP/1.1 200 OK'; }
changed_keys() {
    replies -- "$get" 'K\n' "$get" 'k\n' "$get" 'K\n' 'K\n' "$get" 'Q\n'
}
session() { # OPTION...
    s_client "$@" -- "$get" 'Q\n' | grep -aoE '^(New|Reused)'
}
expect "openssl is answered" 1 replies -- "$get" 'Q\n'
expect "keys change in the middle" 4 changed_keys
expect "a session begins" New session -sess_out session.pem
expect "and is resumed" Reused session -sess_in session.pem \
    -sess_out session.pem
expect "more than once" Reused session -sess_in session.pem
expect "a session of TLS 1.2 begins" New session -tls1_2 -sess_out old.pem
expect "and is resumed" Reused session -tls1_2 -sess_in old.pem
small_records() { replies -split_send_frag 1 -max_send_frag 512 -- "$get" 'Q\n'; }
expect "records may be small" 1 small_records

if have gnutls-cli; then
    gnutls() {
        : >gnutls.log
        speak gnutls.log "$get" | timeout 60 gnutls-cli --x509cafile site.pem \
            -p "$port" localhost >>gnutls.log 2>&1
        grep -ac '^HTTP/1.1 200 OK' gnutls.log
    }
    expect "GnuTLS is answered" 1 gnutls
fi

# --- Python and Node --------------------------------------------------------

if have python3; then
    cat >client.py <<'EOF'
import socket, ssl, struct, sys
port = int(sys.argv[1])
context = ssl.create_default_context(cafile="site.pem")
# A longer one would be the last: it is answered before all of it has come.
large = open("large", "rb").read()[:50_000]

def connect(session=None):
    return context.wrap_socket(socket.create_connection(("localhost", port)),
                               server_hostname="localhost", session=session)

def ask(s, body=b""):
    s.sendall(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n"
              % len(body) + body)

def read_reply(s):
    f = s.makefile("rb")
    line = f.readline()
    assert line == b"HTTP/1.1 200 OK\r\n", line
    length, chunked = 0, False
    while (line := f.readline()) != b"\r\n":
        name, value = line.split(b":", 1)
        if name == b"Content-Length":
            length = int(value)
        chunked |= name == b"Transfer-Encoding"
    if not chunked:
        return f.read(length)
    body = b""
    while (size := int(f.readline(), 16)):
        body += f.read(size)
        f.readline()
    f.readline()
    return body

s = connect()
for _ in range(3):
    ask(s, large)
    assert read_reply(s) == large
session = s.session
s = connect(session)
ask(s)
read_reply(s)
assert s.session_reused
s.unwrap()  # the server answers a close by one, without an error

# Cut off in the middle of a record and of a handshake, and by a reset.
for cut in range(1, 60, 7):
    raw = socket.create_connection(("localhost", port))
    raw.sendall(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"[:cut])
    raw.close()
for _ in range(10):
    s = connect()
    ask(s, b"x" * 100)
    raw = socket.socket(fileno=s.detach())
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                   struct.pack("ii", 1, 0))
    raw.close()
# What is no record is answered by an alert and the end.
s = connect()
raw = socket.socket(fileno=s.detach())
raw.settimeout(30)
raw.sendall(b"\x17\x03\x03\x00\x20" + b"x" * 32)
heard = b""
while (piece := raw.recv(4096)):
    heard += piece
assert heard, "no alert"
print("well")
EOF
    expect "Python is served, and cut off" well \
        timeout 60 python3 client.py "$port"
fi
if have node; then
    cat >client.mjs <<'EOF'
import { readFileSync } from "node:fs";
import https from "node:https";
const url = process.argv[2], ca = readFileSync("site.pem");
const large = readFileSync("large");
const text = await (await fetch(url)).text();
if (text !== "OK\n") throw new Error(text);
const answers = await Promise.all(Array.from({ length: 20 }, async () => {
    const r = await fetch(url, { method: "POST", body: large });
    return Buffer.from(await r.arrayBuffer()).equals(large);
}));
if (!answers.every(Boolean)) throw new Error("bodies differ");
// A session of https.Agent, too, which resumes.
const agent = new https.Agent({ ca, keepAlive: false });
const reused = () => new Promise((resolve, reject) => {
    const req = https.get(url, { agent }, (r) => {
        r.resume().on("end", () => resolve(r.socket.isSessionReused()));
    });
    req.on("error", reject);
});
await reused();
if (!(await reused())) throw new Error("not resumed");
console.log("well");
EOF
    expect "Node is served" well env NODE_EXTRA_CA_CERTS=site.pem \
        NODE_OPTIONS=--dns-result-order=ipv4first \
        timeout 60 node client.mjs "$url/"
fi

# --- certificates that change -------------------------------------------------

reload() { # PATTERN
    kill -HUP $pid
    wait_for_text log "$1" >/dev/null
}
subject() { s_client -- 'Q\n' | grep -aoE '^subject=.*' | tr -d ' '; }
expect "the first certificate is shown" 'subject=CN=first' subject
make_certificate second
reload 'INFO  reloaded'
expect "a new one is shown after SIGHUP" 'subject=CN=second' subject
cp site.pem good.pem
echo nonsense >site.pem
reload 'ERROR not reloaded'
cp good.pem site.pem
expect "one that cannot be read is not" 'subject=CN=second' subject
expect "and requests go on" OK fetch "$url/"

failed_before=$(grep -c 'TLS handshake with .* failed' log)
expect "failures were logged" '[1-9][0-9]*' echo "$failed_before"

tally
