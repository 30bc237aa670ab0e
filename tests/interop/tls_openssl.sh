#!/usr/bin/env bash
#
# tls_openssl.sh - TLS with openssl s_client and s_server at the other end:
# certificates by name, protocols, sessions, stapling, clients' certificates,
# reloads; and that failures are called by their names.

set -uo pipefail

# shellcheck source=tests/interop/common.bash
. "$(dirname "$0")/common.bash"
needs openssl cc python3
umask 077
port_of() { # LOG
    for _ in $(seq 400); do
        grep -os 'listening on .*' "$1" | sed 's/.*://' | grep . && return
        sleep 0.05
    done
}
compile tls_openssl

# ---- certificates ----

new_key() { # FILE
    openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out "$1"
}
# Options for what has expired; OpenSSL 3.4 has taken away one and given another.
expired() {
    if openssl x509 -help 2>&1 | grep -q -- -not_after; then
        date -u -d '2 days ago' +'-not_before %Y%m%d%H%M%SZ'
        date -u -d '1 day ago' +'-not_after %Y%m%d%H%M%SZ'
    else
        echo -days -1
    fi
}
issue() { # NAME USAGE ALTERNATIVE-NAMES [OPTION...]
    new_key "$1.key"
    openssl req -new -key "$1.key" -subj "/CN=$1" -out "$1.csr"
    printf 'extendedKeyUsage=%s\n' "$2" >"$1.ext"
    [ -z "$3" ] || printf 'subjectAltName=%s\n' "$3" >>"$1.ext"
    openssl x509 -req -in "$1.csr" -CA ca.pem -CAkey ca.key \
        "${@:4}" -CAcreateserial -extfile "$1.ext" -out "$1.crt"
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
    # shellcheck disable=SC2046 # options
    issue old serverAuth DNS:a.org $(expired)
    issue ann clientAuth ''
    : >index
    openssl ocsp -index index -CA ca.pem -rsigner ca.pem -rkey ca.key \
        -issuer ca.pem -cert site.crt -ndays 1 -respout site.ocsp
    openssl rand 48 >secret
} >setup.log 2>&1
[ -s secret ] || { cat setup.log; exit 1; }

# ---- our server ----

start() { # FOLDER OPTION...: sets port and pid
    ./tls_openssl serve "$@" >"server.${#pids[@]}" 2>&1 &
    pid=$!
    port=$(port_of "server.${#pids[@]}")
    pids+=("$pid")
}
# A line, and then nothing more until it is answered or the connection is over:
# s_client leaves at the end of what it is given.
until_heard() { # LOG TEXT LINE
    local _
    echo "$3"
    for _ in $(seq 400); do
        grep -aqsE "$2|^DONE|[:,]errno=[0-9]|:error:|read:errno|^closed" "$1" && return
        sleep 0.05
    done
}
# Names as OpenSSL 3.0 writes them and as 3.5 does.
s_client_plain() { # OPTION...
    : >s_client.log
    until_heard s_client.log '^heard hello' hello | timeout 60 openssl s_client \
        -CAfile ca.pem -connect "127.0.0.1:$port" "$@" >>s_client.log 2>&1
    sed 's/CN = /CN=/' s_client.log
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
start folder alpn=http/1.1,h2 ocsp=site.ocsp secret=secret
first_port=$port
expect_in "a line is answered" "heard hello" s_client
expect_in "the certificate is good" "Verify return code: 0 (ok)" s_client
expect_in "TLS 1.3 is spoken" "New, TLSv1.3" s_client
expect_in "TLS 1.2 is spoken" "New, TLSv1.2" s_client -tls1_2
expect_in "TLS 1.1 is not" "alert protocol version" s_client -tls1_1 \
    -cipher ALL@SECLEVEL=0
expect_in "old ciphers are not" "alert handshake failure" s_client -tls1_2 \
    -cipher AES128-GCM-SHA256:ECDHE-ECDSA-AES128-SHA
expect_in "the name chooses the certificate" "subject=CN=other" \
    s_client -servername www.b.org
expect_in "another name gets the first one" "subject=CN=site" \
    s_client -servername www.c.org
expect_in "no name gets the first one" "subject=CN=site" \
    s_client_plain -noservername
expect_in "the server's order of protocols counts" "ALPN protocol: http/1.1" \
    s_client -alpn h2,http/1.1
expect_in "nothing in common is refused" "alert no application protocol" \
    s_client -alpn gopher
expect_in "the response is stapled" "OCSP Response Status: successful" \
    s_client -status
renegotiates() {
    : >s_client.log
    until_heard s_client.log 'no renegotiation' R | timeout 60 openssl s_client \
        -tls1_2 -connect "127.0.0.1:$port" >>s_client.log 2>&1
    cat s_client.log
}
expect_in "nobody renegotiates" "no renegotiation" renegotiates
expect_in "tickets of TLS 1.3 are taken" "Reused, TLSv1.3" reuse
expect_in "tickets of TLS 1.2 are taken" "Reused, TLSv1.2" reuse -tls1_2
s_client -sess_out session >/dev/null
start folder secret=secret
expect_in "and by a server with the same secret" "Reused, TLSv1.3" \
    s_client -sess_in session
s_client -sess_out session >/dev/null
port=$first_port
expect_in "in both directions" "Reused, TLSv1.3" s_client -sess_in session

start folder
s_client -sess_out session >/dev/null
cp renewed.pem folder/site.pem
kill -HUP "$pid"
until grep -q reloaded "server.$((${#pids[@]} - 1))"; do sleep 0.02; done
expect_in "a reload shows the new certificate" "subject=CN=renewed" s_client
expect_in "and takes the tickets from before" "Reused, TLSv1.3" \
    s_client -sess_in session
echo nonsense >folder/site.pem
kill -HUP "$pid"
until grep -q ETLSCONFIG "server.$((${#pids[@]} - 1))"; do sleep 0.02; done
expect_in "a reload that fails changes nothing" "subject=CN=renewed" s_client
cp site.pem folder

start folder ca=ca.pem required
expect_in "clients must show a certificate" "certificate required" s_client
expect_in "who shows one is heard" "heard hello" \
    s_client -cert ann.crt -key ann.key
expect_in "clients are told who signs them" "CN=Test CA" s_client
expect_in "the server knows whom it speaks to" "verified peer=CN=ann" \
    cat "server.$((${#pids[@]} - 1))"
expect_in "and who had nothing to show" \
    "ED_ECERT: the peer showed no certificate" \
    cat "server.$((${#pids[@]} - 1))"

# ---- our client ----

s_server() { # OPTION...: sets port
    local log=s_server.${#pids[@]}
    port=$(free_port)
    openssl s_server -accept "127.0.0.1:$port" -rev -key "$1.key" \
        -cert "$1.crt" "${@:2}" >"$log" 2>&1 &
    pids+=($!)
    for _ in $(seq 400); do
        grep -q ACCEPT "$log" && break
        sleep 0.05
    done
}
ask() { # NAME OPTION...
    timeout 60 ./tls_openssl ask "127.0.0.1:$port" "$@"
}

s_server site -alpn h2
expect_in "a good server is believed" "TLSv1.3 alpn= name=a.org new verified" \
    ask a.org ca=ca.pem
expect_in "an address is checked" "new verified peer=CN=site" \
    ask 127.0.0.1 ca=ca.pem
expect_in "the second connection resumes" "name=a.org resumed verified" \
    ask a.org ca=ca.pem
expect_in "a protocol is agreed on" "alpn=h2" ask a.org ca=ca.pem \
    alpn=http/1.1,h2
expect_in "another name is refused" \
    "ED_ECERT: certificate is for a.org, 127.0.0.1, not for b.org" \
    ask b.org ca=ca.pem
expect_in "an unknown issuer is refused" "of an unknown issuer, Test CA" \
    ask a.org ca=other_ca.pem
expect_in "the system trusts nobody of ours" "of an unknown issuer" ask a.org
pin=$(openssl x509 -in site.crt -noout -pubkey |
    openssl pkey -pubin -outform DER | openssl dgst -sha256 -binary |
    openssl base64)
expect_in "a pin is enough" "new verified" ask a.org no_verify "pin=sha256//$pin"
print=$(openssl x509 -in site.crt -noout -fingerprint -sha256)
expect_in "and so is a fingerprint" "new verified" ask a.org no_verify \
    "pin=sha256:${print#*=}"
pin=$(openssl rand -base64 32)
expect_in "a wrong pin is not" "none of those pinned" \
    ask a.org ca=ca.pem "pin=sha256//$pin"
s_server site -tls1_2
expect_in "TLS 1.2 resumes, too" "TLSv1.2 alpn= name=a.org resumed verified" \
    ask a.org ca=ca.pem
s_server site -tls1_1 -cipher ALL@SECLEVEL=0
expect_in "TLS 1.1 is refused" "ED_ETLS: the peer knows no TLS version of ours" ask a.org ca=ca.pem
s_server old
expect_in "an expired certificate is refused" "certificate of a.org expired on" \
    ask a.org ca=ca.pem
s_server site -Verify 1 -CAfile ca.pem -verify_return_error
expect_in "a certificate is shown to who asks" "peer=CN=site" \
    ask a.org ca=ca.pem certificate=ann.pem
expect_in "and needed where demanded" "ED_ETLS" ask a.org ca=ca.pem

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
wait_for_port "$port"
expect_in "who speaks no TLS is found out" "the peer speaks no TLS" \
    ask a.org ca=ca.pem

tally
