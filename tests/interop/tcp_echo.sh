#!/bin/bash
# tcp_echo.sh - the echo example, spoken to by bash and by Python.
set -euo pipefail

server="$EDDY_BUILD/examples/tcp_echo"
log=$(mktemp)
"$server" --listen 127.0.0.1:0 >"$log" &
pid=$!
trap 'kill $pid 2>/dev/null || true; rm -f "$log"' EXIT

for _ in $(seq 400); do
    grep -q listening "$log" && break
    sleep 0.05
done
port=$(sed -n 's/.*:\([0-9]*\)$/\1/p' "$log")

# A line at a time, by the shell.
exec 3<>"/dev/tcp/127.0.0.1/$port"
printf 'hello\nthere\n' >&3
read -r -t 30 first <&3
read -r -t 30 second <&3
exec 3>&-
[ "$first $second" = "hello there" ]

# A megabyte, by many peers at once, each closing its half first.
python3 - "$port" <<'PYTHON'
import os, socket, sys, threading

def converse():
    data = os.urandom(1 << 20)
    s = socket.create_connection(("127.0.0.1", int(sys.argv[1])), 30)
    def send():
        s.sendall(data)
        s.shutdown(socket.SHUT_WR)
    sender = threading.Thread(target=send)
    sender.start()
    back = b""
    while part := s.recv(1 << 16):
        back += part
    sender.join()
    results.append(back == data)

results = []
threads = [threading.Thread(target=converse) for _ in range(8)]
for t in threads: t.start()
for t in threads: t.join()
sys.exit(results != [True] * 8)
PYTHON

# Wrong usage and a bad address are told, and not by a crash.
status=0
"$server" 2>/dev/null || status=$?
[ $status -eq 2 ]
status=0
message=$("$server" --listen nonsense 2>&1) || status=$?
[ $status -eq 1 ]
grep -q nonsense <<<"$message"
