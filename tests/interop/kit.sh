#!/usr/bin/env bash
#
# kit.sh - examples/kit: its parts, its limits, the app within it, and what it
# reports to a Sentry in Python, which reads envelopes as strictly as it can.

set -uo pipefail
# shellcheck source=tests/interop/common.bash
. "$(dirname "$0")/common.bash"
needs curl python3

python3 - >sentry.port 2>sentry.log <<'PYTHON' &
import http.server
import json
import re


def take(head, body):
    """Reads an envelope; an assertion that fails is an answer of 500."""
    auth = dict(re.findall(r"(\w+)=([^, ]+)", head["X-Sentry-Auth"]))
    assert head["X-Sentry-Auth"].startswith("Sentry ")
    assert auth["sentry_version"] == "7" and auth["sentry_key"] == "abc"
    assert auth["sentry_client"].startswith("eddy/")
    assert head["Content-Type"] == "application/x-sentry-envelope"
    line, _, rest = body.partition(b"\n")
    envelope = json.loads(line)
    assert re.fullmatch("[0-9a-f]{32}", envelope["event_id"])
    assert envelope["dsn"].startswith("http://abc@") and envelope["sent_at"]
    while rest:
        line, _, rest = rest.partition(b"\n")
        item = json.loads(line)
        payload, rest = rest[:item["length"]], rest[item["length"]:]
        assert rest[:1] == b"\n"
        rest = rest[1:]
        if item["type"] == "event":
            event = json.loads(payload.decode("utf-8"))
            assert event["event_id"] == envelope["event_id"]
    error = event["exception"]["values"][0]
    frame = error["stacktrace"]["frames"][-1]
    with open("events", "a") as out:
        print(error["type"], error["value"], frame["function"],
              event["transaction"], event["release"],
              event["breadcrumbs"]["values"][0]["message"],
              dict(event["tags"])["printer"],
              dict(event["request"]["headers"])["Cookie"], sep="|", file=out)


class Sentry(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        assert self.path == "/api/7/envelope/"
        take(self.headers, self.rfile.read(int(self.headers["Content-Length"])))
        self.send_response(200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"{}")


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Sentry)
print(server.server_address[1], flush=True)
server.serve_forever()
PYTHON
pids+=($!)
sentry_port=$(wait_for_text sentry.port '[0-9]\+')

export SENTRY_DSN="http://abc@127.0.0.1:$sentry_port/7"
serve kit.log "$build/examples/kit" --listen 127.0.0.1:0

fetch() { curl -s --max-time 20 "$@"; }
status() { fetch -o /dev/null -w '%{http_code}' "$@"; }
field() { fetch -o /dev/null -w "%{http_code} %header{$1}" "${@:2}"; }

expect "a ticket is a number" 1 fetch "$url/ticket"
expect "the limit is told" '200 1' field ratelimit-remaining "$url/ticket"
expect "the last one" 3 fetch "$url/ticket"
expect "more is too much" '429 [1-4]' field retry-after "$url/ticket"
expect "other routes are not limited" 200 status "$url/admin/"
expect "a mount is redirected" '308 /admin/' field location "$url/admin"
expect "a failure is told without its reason" 503 \
    status -H 'Cookie: a=b' "$url/fail"
expect "and reported with it" \
    'ED_EDATABASE\|the printer is out of paper\|fail\|GET /fail\|kit@1\|warming up\|left\|\[Filtered\]' \
    wait_for_text events '.*'
expect_in "the app within tells" '"reported":1' fetch "$url/admin/"
expect_in "its links lead there" '"home":"/admin/"' fetch "$url/admin/"

curl -sN --max-time 30 "$url/ticks" >ticks &
stream=$!
wait_for_text ticks tick >/dev/null
fetch -o /dev/null -H "Cookie: a=b" "$url/fail"
kill -TERM "$pid"
wait "$stream"
expect "a stream ends properly when the program stops" 0 echo $?
expect_in "with its last words" "the end" cat ticks
wait "$pid"
expect "and so does the program" 0 echo $?
expect_in "its parts have said good-bye" "the next ticket would be 4" \
    cat kit.log
expect "the last event was sent" 2 grep -c ED_EDATABASE events
tally
