#!/usr/bin/env bash
#
# tls_failures.sh - eddy fetch over TLS from servers that die, lie and keep
# silent: each gets an error of its own, and nothing ever hangs.

# shellcheck source=tests/interop/tls_common.bash
. "$(dirname "$0")/tls_common.bash"
eddy=$build/eddy
certificates() { make_ca ca 'Test CA' && issue good DNS:good.test; }
prepare certificates

# One server; the name asked for in SNI or, without TLS, its port decides what
# it does.
cat >server.py <<'PYTHON'
import socket
import ssl
import struct
import sys
import threading
import time

HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n"
PART = b"x" * 50000


def reset(raw):
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                   struct.pack("ii", 1, 0))
    raw.close()


# What is done on a connection of TCP.
def no_answer(raw):
    time.sleep(600)

def text(raw):
    raw.sendall(b"220 mail.good.test ESMTP\r\n")
    raw.recv(1000)

def http(raw):
    raw.recv(1000)
    raw.sendall(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")

def garbage(raw):
    raw.recv(1000)
    raw.sendall(bytes(range(128, 256)) * 10)

def closes(raw):
    raw.recv(1000)

def resets(raw):
    raw.recv(1000)
    reset(raw)

def half_hello(raw):
    raw.recv(1000)
    raw.sendall(b"\x16\x03\x03\x00\x7a\x02\x00\x00")

def half_hello_and_waits(raw):
    half_hello(raw)
    time.sleep(600)

def alert(raw):
    raw.recv(1000)
    raw.sendall(b"\x15\x03\x03\x00\x02\x02\x50")


# What is done over TLS, with the request read; `raw` is the socket beneath.
def secure(answer):
    def serve(raw):
        raw.settimeout(30)
        own = raw.dup()
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        s = context.wrap_bio(incoming, outgoing, server_side=True)

        def run(call, *arguments):
            while True:
                try:
                    result = call(*arguments)
                    own.sendall(outgoing.read())
                    return result
                except ssl.SSLWantReadError:
                    own.sendall(outgoing.read())
                    piece = own.recv(16384)
                    if not piece:
                        raise EOFError
                    incoming.write(piece)
        run(s.do_handshake)
        run(s.read, 16384)
        raw.close()
        answer(own, lambda data: run(s.write, data), outgoing, s)
    serve.__name__ = answer.__name__
    return serve

def goodbye(own, s, outgoing):
    try:
        s.unwrap()
    except ssl.SSLError:
        pass
    own.sendall(outgoing.read())

def body_cut(own, write, outgoing, s):
    write(HEAD + PART)

def body_ended(own, write, outgoing, s):
    write(HEAD + PART)
    goodbye(own, s, outgoing)

def body_reset(own, write, outgoing, s):
    write(HEAD + PART)
    time.sleep(0.5)
    reset(own)

def body_broken(own, write, outgoing, s):
    write(HEAD + PART)
    own.sendall(b"\x17\x03\x03\x00\x40" + b"x" * 64)

def body_no_record(own, write, outgoing, s):
    write(HEAD + PART)
    own.sendall(b"what is this? " * 100)

def body_alert(own, write, outgoing, s):
    write(HEAD + PART)
    own.sendall(b"\x15\x03\x03\x00\x02\x02\x50")

def body_waits(own, write, outgoing, s):
    write(HEAD + PART)
    time.sleep(600)

def open_end_cut(own, write, outgoing, s):
    write(b"HTTP/1.1 200 OK\r\n\r\n" + PART)

def open_end(own, write, outgoing, s):
    write(b"HTTP/1.1 200 OK\r\n\r\n" + PART)
    goodbye(own, s, outgoing)

def chunk_cut(own, write, outgoing, s):
    write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab")

def head_cut(own, write, outgoing, s):
    write(HEAD[:20])

def head_ended(own, write, outgoing, s):
    write(HEAD[:20])
    goodbye(own, s, outgoing)

def head_waits(own, write, outgoing, s):
    write(HEAD[:20])
    time.sleep(600)

def head_garbage(own, write, outgoing, s):
    write(b"this is no HTTP\r\n\r\n")

def nothing_cut(own, write, outgoing, s):
    pass

def nothing_ended(own, write, outgoing, s):
    goodbye(own, s, outgoing)

def nothing_waits(own, write, outgoing, s):
    time.sleep(600)


context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
context.load_cert_chain("good.pem")
if sys.argv[1] == "1.2":
    context.maximum_version = ssl.TLSVersion.TLSv1_2

def answer(behave, raw):
    with raw:
        try:
            behave(raw)
        except (OSError, EOFError):
            pass

def accept(behave, listener):
    while True:
        raw, _ = listener.accept()
        threading.Thread(target=answer, args=(behave, raw),
                         daemon=True).start()

behaviours = [no_answer, text, http, garbage, closes, resets, half_hello,
              half_hello_and_waits, alert]
behaviours += map(secure, [
    body_cut, body_ended, body_reset, body_broken, body_no_record, body_alert,
    body_waits, open_end_cut, open_end, chunk_cut, head_cut, head_ended,
    head_waits, head_garbage, nothing_cut, nothing_ended, nothing_waits])
for behave in behaviours:
    listener = socket.create_server(("127.0.0.1", 0), backlog=50)
    print(behave.__name__, listener.getsockname()[1], flush=True)
    threading.Thread(target=accept, args=(behave, listener),
                     daemon=True).start()
print("ready 0", flush=True)
time.sleep(3600)
PYTHON

# What is said, and that it is said in time: the fetch ends by itself.
fails() { # PROMISE BEHAVIOUR TEXT [OPTION...]
    local at url said status seconds
    at=$(sed -n "s/^$2 //p" "ports.$version")
    url=https://good.test:$at/
    # On a busy machine a second may be over before what it is to end.
    for seconds in 1 5 20; do
        said=$(timeout 60 "$eddy" fetch --cacert ca.pem --timeout 30 \
            --resolve "good.test:$at:127.0.0.1" "${@:4}" "$url" 2>&1)
        status=$?
        [[ ${4:-} == --timeout && $said != *" "$3 ]] || break
        set -- "${@:1:4}" "$((5 * seconds))"
    done
    if [[ $status == 1 && $said == *"$url"*$'\n'*" "$3 ]]; then
        kept
    else
        broken "$1 (TLS $version)" "status $status, not 1 with \"$3\": $said"
    fi
}
for version in 1.2 1.3; do
    python3 server.py "$version" >"ports.$version" 2>"server.$version" &
    pids+=($!)
    until grep -qs ready "ports.$version"; do
        kill -0 $! || { cat "server.$version"; exit 1; }
        sleep 0.05
    done

    during='during the TLS handshake'
    fails "no answer is waited for in vain" no_answer \
        'no TLS to the server within the deadline' --timeout 1
    fails "nor half of one" half_hello_and_waits \
        'no TLS to the server within the deadline' --timeout 1
    fails "a server of another protocol is known" text 'the peer speaks no TLS'
    fails "one of HTTP, too" http 'the peer speaks no TLS, but text'
    fails "garbage is no TLS" garbage 'the peer speaks no TLS'
    fails "a server that closes is seen" closes "the peer closed $during"
    fails "in the middle, too" half_hello "the peer closed $during"
    fails "a reset is a reset" resets "Connection reset by peer $during"
    fails "an alert is told" alert 'the peer refused (alert 80, internal error)'

    fails "a silent server is given up" nothing_waits \
        'no response head within the deadline' --timeout 1
    fails "one that stops, too" head_waits \
        'no response head within the deadline' --timeout 1
    fails "in the body as well" body_waits \
        'no whole response body within the deadline' --timeout 1
    fails "a goodbye is no response" nothing_ended 'closed before a response'
    fails "nor is the end" nothing_cut \
        'closed before a response (end of stream)'
    fails "nor a part of the head" head_ended 'closed within the response head'
    fails "cut off or not" head_cut \
        'closed within the response head (end of stream)'
    fails "no HTTP is told" head_garbage 'malformed HTTP version'

    body='closed within the response body'
    fails "half a body is not whole by a goodbye" body_ended "$body"
    fails "nor by the end" body_cut "$body (end of stream)"
    fails "nor by a reset" body_reset "$body (Connection reset by peer)"
    fails "bytes that were forged are seen" body_broken "$body (what came *)"
    fails "so is an alert of somebody else" body_alert \
        "$body ([a-z]* *)"
    fails "and what is no record" body_no_record \
        "$body (@(the peer speaks no TLS|what came cannot be understood))"
    fails "half a chunk is not whole" chunk_cut "$body (end of stream)"
    fails "what ends with the connection needs a goodbye" open_end_cut \
        "$body (end of stream)"
done
expect "nothing was wrong with the servers" '' cat server.1.2 server.1.3
tally
