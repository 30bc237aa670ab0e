#!/usr/bin/env bash
#
# tls_openssl.sh - TLS with openssl s_client and s_server at the other end:
# certificates by name, protocols, sessions, stapling, clients' certificates,
# reloads; and that failures are called by their names.

set -uo pipefail

build=${EDDY_BUILD:?names a build directory}
source=${EDDY_SOURCE:-$(readlink -f "$(dirname "$0")/../..")}
for program in openssl cc python3; do
    command -v "$program" >/dev/null || { echo "no $program"; exit 77; }
done
umask 077
work=$(mktemp -d)
pids=()
passed=0
failed=0
finish() {
    for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null; done
    wait 2>/dev/null
    rm -rf "$work"
}
trap finish EXIT
cd "$work" || exit 1

# A command's output has a text in it.
expect() { # PROMISE TEXT COMMAND...
    local output
    output=$("${@:3}" 2>&1)
    if [[ $output == *"$2"* ]]; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        printf 'failed: %s: no "%s" in\n%s\n' "$1" "$2" "$output"
    fi
}
port_of() { # LOG
    for _ in $(seq 200); do
        grep -os 'listening on .*' "$1" | sed 's/.*://' | grep . && return
        sleep 0.02
    done
}
free_port() {
    python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0))
print(s.getsockname()[1])'
}

sanitize=$(sed -n 's/^EDDY_SANITIZE:STRING=//p' "$build/CMakeCache.txt")
# shellcheck disable=SC2046 # flags are words
cc -std=gnu17 -g -O1 ${sanitize:+"-fsanitize=$sanitize"} \
    "$source/tests/interop/tls_openssl.c" \
    $(PKG_CONFIG_PATH=$build pkg-config --static --cflags --libs eddy |
        sed 's/-leddy/-l:libeddy.a/') -o ours || exit 1

# ---- certificates ----

new_key() { # FILE
    openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out "$1"
}
issue() { # NAME USAGE ALTERNATIVE-NAMES [DAYS]
    new_key "$1.key"
    openssl req -new -key "$1.key" -subj "/CN=$1" -out "$1.csr"
    printf 'extendedKeyUsage=%s\n' "$2" >"$1.ext"
    [ -z "$3" ] || printf 'subjectAltName=%s\n' "$3" >>"$1.ext"
    openssl x509 -req -in "$1.csr" -CA ca.pem -CAkey ca.key -days "${4:-30}" \
        -CAcreateserial -extfile "$1.ext" -out "$1.crt"
    cat "$1.crt" "$1.key" >"$1.pem"
}
{
    new_key ca.key
    openssl req -x509 -key ca.key -subj '/CN=Test CA' -days 30 -out ca.pem
    new_key other_ca.key
    openssl req -x509 -key other_ca.key -subj '/CN=Other CA' -out other_ca.pem
    issue site serverAuth DNS:a.org,IP:127.0.0.1
    issue other serverAuth 'DNS:*.b.org'
    issue renewed serverAuth DNS:a.org
    issue old serverAuth DNS:a.org -1
    issue ann clientAuth ''
    : >index
    openssl ocsp -index index -CA ca.pem -rsigner ca.pem -rkey ca.key \
        -issuer ca.pem -cert site.crt -ndays 1 -respout site.ocsp
    openssl rand 48 >secret
} >setup.log 2>&1
[ -s secret ] || { cat setup.log; exit 1; }

# ---- our server ----

serve() { # FOLDER OPTION...: sets port and pid
    ./ours serve "$@" >"server.${#pids[@]}" 2>&1 &
    pid=$!
    port=$(port_of "server.${#pids[@]}")
    pids+=("$pid")
}
s_client_plain() { # OPTION...
    (echo hello; sleep 0.2) | timeout 20 openssl s_client -CAfile ca.pem \
        -connect "127.0.0.1:$port" "$@" 2>&1
}
s_client() { # OPTION...
    s_client_plain -servername a.org "$@"
}
# The sessions of both connections are one.
reuse() { # OPTION...
    rm -f session
    s_client -sess_out session "$@" >/dev/null
    s_client -sess_in session "$@" | grep -a '^Reused\|^New'
}

mkdir folder
cp site.pem other.pem folder
serve folder alpn=http/1.1,h2 ocsp=site.ocsp secret=secret
first_port=$port
expect "a line is answered" "heard hello" s_client
expect "the certificate is good" "Verify return code: 0 (ok)" s_client
expect "TLS 1.3 is spoken" "New, TLSv1.3" s_client
expect "TLS 1.2 is spoken" "New, TLSv1.2" s_client -tls1_2
expect "TLS 1.1 is not" "alert protocol version" s_client -tls1_1 \
    -cipher ALL@SECLEVEL=0
expect "old ciphers are not" "alert handshake failure" s_client -tls1_2 \
    -cipher AES128-GCM-SHA256:ECDHE-ECDSA-AES128-SHA
expect "the name chooses the certificate" "subject=CN = other" \
    s_client -servername www.b.org
expect "another name gets the first one" "subject=CN = site" \
    s_client -servername www.c.org
expect "no name gets the first one" "subject=CN = site" \
    s_client_plain -noservername
expect "the server's order of protocols counts" "ALPN protocol: http/1.1" \
    s_client -alpn h2,http/1.1
expect "nothing in common is refused" "alert no application protocol" \
    s_client -alpn gopher
expect "the response is stapled" "OCSP Response Status: successful" \
    s_client -status
expect "nobody renegotiates" "no renegotiation" bash -c "
    (sleep 0.2; echo R; sleep 0.2) | timeout 20 openssl s_client -tls1_2 \
        -connect 127.0.0.1:$port 2>&1"
expect "tickets of TLS 1.3 are taken" "Reused, TLSv1.3" reuse
expect "tickets of TLS 1.2 are taken" "Reused, TLSv1.2" reuse -tls1_2
s_client -sess_out session >/dev/null
serve folder secret=secret
expect "and by a server with the same secret" "Reused, TLSv1.3" \
    s_client -sess_in session
s_client -sess_out session >/dev/null
port=$first_port
expect "in both directions" "Reused, TLSv1.3" s_client -sess_in session

serve folder
s_client -sess_out session >/dev/null
cp renewed.pem folder/site.pem
kill -HUP "$pid"
until grep -q reloaded "server.$((${#pids[@]} - 1))"; do sleep 0.02; done
expect "a reload shows the new certificate" "subject=CN = renewed" s_client
expect "and takes the tickets from before" "Reused, TLSv1.3" \
    s_client -sess_in session
echo nonsense >folder/site.pem
kill -HUP "$pid"
until grep -q ETLSCONFIG "server.$((${#pids[@]} - 1))"; do sleep 0.02; done
expect "a reload that fails changes nothing" "subject=CN = renewed" s_client
cp site.pem folder

serve folder ca=ca.pem required
expect "clients must show a certificate" "certificate required" s_client
expect "who shows one is heard" "heard hello" \
    s_client -cert ann.crt -key ann.key
expect "clients are told who signs them" "CN = Test CA" s_client
expect "the server knows whom it speaks to" "verified peer=CN=ann" \
    cat "server.$((${#pids[@]} - 1))"
expect "and who had nothing to show" \
    "ED_ECERT: the peer showed no certificate" \
    cat "server.$((${#pids[@]} - 1))"

# ---- our client ----

s_server() { # OPTION...: sets port
    local log=s_server.${#pids[@]}
    port=$(free_port)
    openssl s_server -accept "127.0.0.1:$port" -rev -key "$1.key" \
        -cert "$1.crt" "${@:2}" >"$log" 2>&1 &
    pids+=($!)
    for _ in $(seq 200); do
        grep -q ACCEPT "$log" && break
        sleep 0.02
    done
}
ask() { # NAME OPTION...
    timeout 20 ./ours ask "127.0.0.1:$port" "$@"
}

s_server site -alpn h2
expect "a good server is believed" "TLSv1.3 alpn= name=a.org new verified" \
    ask a.org ca=ca.pem
expect "an address is checked" "new verified peer=CN=site" \
    ask 127.0.0.1 ca=ca.pem
expect "the second connection resumes" "name=a.org resumed verified" \
    ask a.org ca=ca.pem
expect "a protocol is agreed on" "alpn=h2" ask a.org ca=ca.pem \
    alpn=http/1.1,h2
expect "another name is refused" \
    "ED_ECERT: certificate is for a.org, 127.0.0.1, not for b.org" \
    ask b.org ca=ca.pem
expect "an unknown issuer is refused" "of an unknown issuer, Test CA" \
    ask a.org ca=other_ca.pem
expect "the system trusts nobody of ours" "of an unknown issuer" ask a.org
pin=$(openssl x509 -in site.crt -noout -pubkey |
    openssl pkey -pubin -outform DER | openssl dgst -sha256 -binary |
    openssl base64)
expect "a pin is enough" "new verified" ask a.org no_verify "pin=sha256//$pin"
print=$(openssl x509 -in site.crt -noout -fingerprint -sha256)
expect "and so is a fingerprint" "new verified" ask a.org no_verify \
    "pin=sha256:${print#*=}"
pin=$(openssl rand -base64 32)
expect "a wrong pin is not" "none of those pinned" \
    ask a.org ca=ca.pem "pin=sha256//$pin"
s_server site -tls1_2
expect "TLS 1.2 resumes, too" "TLSv1.2 alpn= name=a.org resumed verified" \
    ask a.org ca=ca.pem
s_server site -tls1_1 -cipher ALL@SECLEVEL=0
expect "TLS 1.1 is refused" "ED_ETLS: the peer knows no TLS version of ours" ask a.org ca=ca.pem
s_server old
expect "an expired certificate is refused" "certificate of a.org expired on" \
    ask a.org ca=ca.pem
s_server site -Verify 1 -CAfile ca.pem -verify_return_error
expect "a certificate is shown to who asks" "peer=CN=site" \
    ask a.org ca=ca.pem certificate=ann.pem
expect "and needed where demanded" "ED_ETLS" ask a.org ca=ca.pem

port=$(free_port)
python3 -c "
import socket
s = socket.create_server(('127.0.0.1', $port))
while True:
    c, _ = s.accept()
    try:
        c.sendall(b'220 mail.a.org ESMTP\r\n')
        c.recv(1000)
    except OSError:
        pass
    c.close()" &
pids+=($!)
for _ in $(seq 200); do
    (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null && break
    sleep 0.02
done
expect "who speaks no TLS is found out" "the peer speaks no TLS" \
    ask a.org ca=ca.pem

echo "$passed passed, $failed failed"
[ $failed -eq 0 ]
