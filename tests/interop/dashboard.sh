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
        if self.path == "/gone":
            self.send_error(404)
            return
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

# A service that answers something else than JSON: not the page's own fault.
ok=$url
serve gone.log "$build/examples/dashboard" --listen 127.0.0.1:0 \
    --user "$base/gone" --shop "$base/gone" --reviews "$base/gone"
answers "one that sends a page of its own is a bad gateway" 502 ''
expect_in "and the log says what it answered" \
    "not what was asked for: $base/gone: 404, and its body is no JSON: line 1" \
    cat gone.log

# Made with Eddy, it is told the deadline, and keeps it: the client's is first.
serve slow.log "$build/examples/tutorial_service" --listen 127.0.0.1:0 --ms 5000
slow=$url/part/1
serve late.log "$build/examples/dashboard" --listen 127.0.0.1:0 \
    --user "$slow" --shop "$slow" --reviews "$slow"
for _ in 1 2 3 4 5; do
    answers "one that is too slow is a gateway timeout" 504 ''
done
url=$ok
kill "$service"
wait "$service" 2>/dev/null
answers "without a service it is a bad gateway" 502 ''

tally
