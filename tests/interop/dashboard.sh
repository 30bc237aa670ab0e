#!/usr/bin/env bash
#
# dashboard.sh - examples/dashboard calls its services at once, joins what they
# say, and is honest when one of them is not there.

set -uo pipefail
# shellcheck source=tests/interop/common.bash
. "$(dirname "$0")/common.bash"
needs curl python3

answers() { # PROMISE STATUS TEXT
    local status
    status=$(curl -s -m 20 -o body -w '%{http_code}' "$url/dashboard")
    if [[ $status == "$2" ]] && grep -qF -- "$3" body; then
        kept
    else
        broken "$1: $status" "$(cat -- *)"
    fi
}

# Each answer waits until three have been asked for: who calls one after the
# other never gets any.
python3 - >port 2>service.log <<'PYTHON' &
import http.server
import threading

together = threading.Barrier(3)


class Service(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        together.wait(20)
        body = b'{"path": "%s"}' % self.path.encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Service)
print(server.server_port, flush=True)
server.serve_forever()
PYTHON
service=$!
pids+=("$service")
base=http://127.0.0.1:$(wait_for_text port '[0-9]*')

serve log "$build/examples/dashboard" --listen 127.0.0.1:0 \
    --user "$base/u" --shop "$base/s" --reviews "$base/r"

answers "three at once are joined" 200 \
    '{"user":{"path":"/u"},"shop":{"path":"/s"},"reviews":{"path":"/r"}}'
kill "$service"
wait "$service" 2>/dev/null
answers "without a service it is a bad gateway" 502 ''

tally
