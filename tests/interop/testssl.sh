#!/usr/bin/env bash
#
# testssl.sh - what testssl.sh has to say of a server with --certfile: nothing
# above LOW, with an ECDSA certificate and with an RSA one.
#
# It finds nothing of the outside world, so the certificates are such that
# nothing is missing but that: of a CA it is told of, with 89 days left, and
# with a place for revocation lists, which is not looked at.

# shellcheck source=tests/interop/tls_common.bash
. "$(dirname "$0")/tls_common.bash"
testssl=$(command -v testssl || command -v testssl.sh) ||
    { echo "no testssl"; exit 77; }

# Tests of testssl that cannot be carried out, and say nothing of the server:
# RC4                       OpenSSL 3 has no such ciphers to try with
# engine_problem            nor does every OpenSSL have engines
# sessionresumption_ticket  s_client without input leaves before the ticket
#                           of TLS 1.3, so there is nothing to come back with
cannot_be_done='RC4 engine_problem sessionresumption_ticket'

certificates() {
    make_ca ca 'Test CA' || return
    more_extensions=crlDistributionPoints=URI:http://127.0.0.1:1/ca.crl
    issue ec DNS:localhost,IP:127.0.0.1 serverAuth ec -1 89 &&
        issue rsa DNS:localhost,IP:127.0.0.1 serverAuth rsa -1 89
}
prepare certificates

# Protocols, ciphers by category, forward secrecy, what the server prefers and
# shows, and all the attacks that have a name.
examine() { # CERTIFICATE
    timeout 400 "$testssl" --color 0 --quiet --warnings off --nodns none \
        --connect-timeout 20 --openssl-timeout 20 --add-ca ca.pem --fast \
        -p -s -f -P -S -U --jsonfile "$1.json" "localhost:$port" >"$1.txt" 2>&1
}
for kind in ec rsa; do
    serve "$kind.log" "$build/examples/hello" --listen 127.0.0.1:0 \
        --certfile "$kind.crt" --keyfile "$kind.key"
    examine "$kind" & # it waits more than it works
    examiners+=($!)
done
wait "${examiners[@]}"

cat >judge.py <<'PYTHON'
import json
import sys

kind, allowed = sys.argv[1], sys.argv[2].split()
findings = json.load(open(kind + ".json"))
bad = [f for f in findings
       if f["severity"] not in ("OK", "INFO", "LOW")
       and not (f["severity"] == "WARN" and f["id"] in allowed)]
for f in bad:
    print(kind, f["severity"], f["id"], f["finding"])

# That it looked at all.
told = {f["id"]: f["finding"] for f in findings}
# In 3.2 it has another name.
told.setdefault("cipherlist_STRONG", told.get("cipherlist_STRONG_FS", ""))
wanted = {"TLS1_2": "offered", "TLS1_3": "offered with final",
          "TLS1_1": "not offered", "cert_chain_of_trust": "passed.",
          "cipherlist_STRONG": "offered", "ROBOT": "not vulnerable",
          "secure_client_renego": "not vulnerable",
          "heartbleed": "not vulnerable", "cert_trust": "Ok via SAN"}
for name, text in wanted.items():
    if not told.get(name, "").startswith(text):
        bad.append(name)
        print(kind, name, "is not", text, "but", told.get(name))
sys.exit(bool(bad))
PYTHON
for kind in ec rsa; do
    expect "nothing is wrong with an $kind certificate" '' \
        python3 judge.py "$kind" "$cannot_be_done"
    [ "$failed" -eq 0 ] || cat "$kind.txt"
    expect "and nothing was an error to the server" '' \
        grep -E ' (ERROR|FATAL) ' "$kind.log"
done
tally
