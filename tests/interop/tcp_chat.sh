#!/bin/bash
# tcp_chat.sh - the chat example, with guests in Python, one of them slow.
set -euo pipefail

server="$EDDY_BUILD/examples/tcp_chat"
log=$(mktemp)
"$server" --listen 127.0.0.1:0 >"$log" 2>&1 &
pid=$!
trap 'kill $pid 2>/dev/null || true; rm -f "$log"' EXIT

for _ in $(seq 400); do
    grep -q listening "$log" && break
    sleep 0.05
done
port=$(sed -n 's/^listening.*:\([0-9]*\)$/\1/p' "$log")

python3 - "$port" <<'PYTHON'
import socket, sys

def come():
    s = socket.socket()
    s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    s.settimeout(30)
    s.connect(("127.0.0.1", int(sys.argv[1])))
    return s

def hear(s):
    return s.makefile("rb").readline()

# They are let in one after the other: who is heard is in, as are those before.
ann, bob, slow = come(), come(), come()
slow.sendall(b"am I in?\n")
for s in ann, bob:
    assert hear(s).endswith(b": am I in?\n")

ann.sendall(b"good morning\n")
for s in bob, slow:
    line = hear(s)
    assert line.endswith(b": good morning\n"), line
bob.sendall(b"and to you\n")
assert hear(ann).endswith(b": and to you\n")

# Ann talks a lot; Bob listens, the slow one does not and is shown out.
words = bob.makefile("rb")
for i in range(30000):
    ann.sendall(b"word %d %s\n" % (i, b"x" * 200))
    assert b": word %d x" % i in words.readline()
end = b"?"
try:
    while end:
        end = slow.recv(1 << 20)
except ConnectionResetError:
    pass
ann.sendall(b"still here\n")
assert words.readline().endswith(b": still here\n")

# A line that is too long ends that guest alone.
bob.sendall(b"y" * 1000)
try:
    while bob.recv(1 << 16):
        pass
except ConnectionResetError:
    pass
late = come()
late.sendall(b"hello\n")
assert hear(ann).endswith(b": hello\n")
PYTHON
