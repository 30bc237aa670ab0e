#!/bin/bash
# fanout.sh - the fan-out example before a slow server.
set -euo pipefail

# shellcheck source=tests/interop/common.bash
. "$(dirname "$0")/common.bash"
folder=$work

cat >"$folder/slow.py" <<'PYTHON'
import http.server, time

class Slow(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_GET(self):
        time.sleep(0.2)
        self.send_response(500 if self.path == "/bad" else 200)
        self.send_header("Content-Length", "3")
        self.end_headers()
        self.wfile.write(b"ok\n")
    def log_message(self, *args):
        pass

# All twenty come at once: who finds no place in the line tries again, a second
# or three later.
class Server(http.server.ThreadingHTTPServer):
    request_queue_size = 64

server = Server(("127.0.0.1", 0), Slow)
print(server.server_port, flush=True)
server.serve_forever()
PYTHON
python3 "$folder/slow.py" >"$folder/slow.log" &
pids+=($!)

slow=$(wait_for_text "$folder/slow.log" '^[0-9][0-9]*$')

start() { # BACKEND: sets `address`
    : >"$folder/fanout.log" # where the one before listened is no news
    "$build/examples/fanout" --listen 127.0.0.1:0 --backend "$1" \
        >"$folder/fanout.log" 2>&1 &
    pids+=($!)
    address=$(wait_for_text "$folder/fanout.log" '127\.0\.0\.1:[0-9]*')
}
status() {
    curl --silent --max-time 20 --output /dev/null --write-out '%{http_code}' \
        "$@"
}

# Twenty calls of 200 ms: four seconds one after the other, however often one
# asks. The machine may be busy with something else for the moment: the best of
# some.
start "http://127.0.0.1:$slow/"
for _ in 1 2 3 4 5; do
    began=$(date +%s%N)
    answer=$(curl --silent --max-time 20 "$address/fanout?n=20")
    took=$((($(date +%s%N) - began) / 1000000))
    [ "$(grep -c '^ok$' <<<"$answer")" = 20 ] || fail "not 20 answers: $answer"
    [ "$took" -ge 2000 ] || break
done
[ "$took" -lt 2000 ] || fail "at once takes $took ms"

[ "$(status "$address/fanout")" = 200 ]
[ "$(status "$address/fanout?n=0")" = 400 ]
[ "$(status "$address/fanout?n=many")" = 400 ]

# A backend that is not there.
start http://127.0.0.1:1/
[ "$(status "$address/fanout?n=5")" = 502 ]
