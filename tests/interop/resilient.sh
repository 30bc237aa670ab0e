#!/bin/bash
# resilient.sh - the example with all policies, before servers that fail.
set -euo pipefail

# shellcheck source=tests/interop/common.bash
. "$(dirname "$0")/common.bash"
folder=$work

# Three addresses, one port, and a name for them.
cat >"$folder/server.py" <<'PYTHON'
import http.server, sys

class Server(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_GET(self):
        status = 503 if sys.argv[3:] == ["busy"] else 200
        self.send_response(status)
        self.send_header("Content-Length", "3")
        self.end_headers()
        self.wfile.write(b"ok\n")
    def log_message(self, *args):
        pass

server = http.server.ThreadingHTTPServer((sys.argv[1], int(sys.argv[2])), Server)
print(server.server_port, flush=True)
server.serve_forever()
PYTHON

start() { # NUMBER PORT [busy]: sets `pid`
    python3 "$folder/server.py" "127.0.0.$1" "${@:2}" >"$folder/$1.log" \
        2>&1 &
    pid=$!
    pids+=("$pid")
    wait_for_text "$folder/$1.log" '^[0-9][0-9]*$' >/dev/null
}

start 1 0
port=$(cat "$folder/1.log")
first=$pid
start 2 "$port"
second=$pid
start 3 "$port" busy
printf '127.0.0.%d backend.test\n' 1 2 3 >"$folder/hosts"

EDDY_HOSTS_FILE=$folder/hosts "$build/examples/resilient" \
    --listen 127.0.0.1:0 --backend "http://backend.test:$port/" \
    >"$folder/resilient.log" 2>&1 &
pids+=($!)
address=$(wait_for_text "$folder/resilient.log" '127\.0\.0\.1:[0-9]*')

all_well() { # COUNT: so many requests, every one answered
    local i
    for ((i = 0; i < $1; i++)); do
        [ "$(curl --silent --max-time 20 "$address/")" = ok ] ||
            { echo "request $i failed"; cat "$folder/resilient.log"; exit 1; }
    done
}
count() { # NAME: of the counters
    curl --silent --max-time 20 "$address/counts" |
        python3 -c 'import json, sys; print(json.load(sys.stdin)[sys.argv[1]])' \
            "$1"
}

# One of three is busy: it is asked again elsewhere, and soon not asked at all.
all_well 40
[ "$(count requests)" = 40 ]
[ "$(count retries)" -ge 1 ]
[ "$(count ejections)" -ge 1 ]
curl --silent "$address/counts" | grep -q "\"address\": *\"127.0.0.3:$port\""

# Now another hangs, and of the last one nobody notices.
kill -STOP "$second"
trap 'kill -CONT "$second" 2>/dev/null || true; finish' EXIT
all_well 10
[ "$(count hedges_won)" -ge 1 ]
kill -CONT "$second"

# With none left the answer is honest.
kill "$first" "$second" "$pid"
wait "$first" "$second" "$pid" 2>/dev/null || true
status=$(curl --silent --max-time 20 --output /dev/null \
    --write-out '%{http_code}' "$address/")
[ "$status" = 502 ]
