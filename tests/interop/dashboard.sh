#!/usr/bin/env bash
#
# dashboard.sh - examples/dashboard calls its services at once, joins what they
# say, and is honest when one of them is not there.

set -uo pipefail
example=${EDDY_BUILD:?names a build directory}/examples/dashboard
work=$(mktemp -d)
running=()
stop() {
    kill "${running[@]}" 2>/dev/null
    wait
    rm -rf "$work"
}
trap stop EXIT
passed=0
failed=0

expect() { # PROMISE STATUS TEXT
    local status
    status=$(curl -s -m 20 -o "$work/body" -w '%{http_code}' "$url/dashboard")
    if [[ $status == "$2" ]] && grep -qF -- "$3" "$work/body"; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        echo "failed: $1: $status"
        cat "$work"/*
    fi
}

# Each answer waits until three have been asked for: who calls one after the
# other never gets any.
python3 - >"$work/port" 2>"$work/service.log" <<'PYTHON' &
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
running+=($!)
service=$!
until [[ -s $work/port ]]; do
    kill -0 "$service" || exit
    sleep 0.05
done
base=http://127.0.0.1:$(<"$work/port")

"$example" --listen 127.0.0.1:0 --user "$base/u" --shop "$base/s" \
    --reviews "$base/r" 2>"$work/log" &
running+=($!)
until url=$(grep -o 'http://127.*' "$work/log"); do
    kill -0 $! || exit
    sleep 0.05
done

expect "three at once are joined" 200 \
    '{"user":{"path":"/u"},"shop":{"path":"/s"},"reviews":{"path":"/r"}}'
kill "$service"
wait "$service" 2>/dev/null
expect "without a service it is a bad gateway" 502 ''

echo "$passed passed, $failed failed"
((failed == 0))
