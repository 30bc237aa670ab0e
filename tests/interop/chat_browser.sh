#!/usr/bin/env bash
#
# chat_browser.sh - examples/chat in Chromium: people talk, see who is there and
# what was said before, come back when the server was started anew, and, with a
# Redis, talk across processes.

set -uo pipefail
# shellcheck source=tests/interop/browser.bash
. "$(dirname "$0")/browser.bash"
# Two processes are one chat by way of a Redis, where there is one.
if have redis-server; then
    port=$(free_port)
    redis-server --port "$port" --bind 127.0.0.1 --save '' --dir "$work" \
        >redis.log 2>&1 &
    pids+=("$!")
    wait_for_port "$port"
    export REDIS=redis://127.0.0.1:$port
fi
browse chat_browser
