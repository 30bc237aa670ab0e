#!/usr/bin/env bash
#
# ws.sh - WebSockets with foreign programs, in both roles: node's ws, Python's
# websockets and aiohttp. One that is not installed is left out.

set -uo pipefail
# shellcheck source=tests/interop/common.bash
. "$(dirname "$0")/common.bash"
export NODE_PATH=/usr/share/nodejs

has_node() { have node && node -e 'require("ws")' 2>/dev/null; }
# Debian's, whatever stands before it in the path.
py=/usr/bin/python3
has_python() { [ -x $py ] && $py -c "import $1" 2>/dev/null; }
has_node || has_python websockets || has_python aiohttp ||
    { echo "neither node's ws nor Python's websockets nor aiohttp"; exit 77; }

node_client() { timeout 60 node "$source/tests/interop/ws.js" client "$@"; }
python_client() { timeout 60 $py "$source/tests/interop/ws.py" "$@"; }

# ---- our server ----

for takeover in no yes; do
    serve "log.$takeover" "$build/examples/ws_echo" --listen 127.0.0.1:0 \
        --takeover $takeover
    for path in / /stream; do
        at="ws://127.0.0.1:$port$path"
        if has_node; then
            expect "node, $path, takeover: $takeover" OK node_client "$at"
            expect "node without compression, $path" OK \
                node_client "$at" '{"perMessageDeflate": false}'
            expect "node with small windows, $path" OK node_client "$at" \
                '{"perMessageDeflate": {"serverMaxWindowBits": 9,
                    "clientMaxWindowBits": 10, "threshold": 0}}'
        fi
        for module in websockets aiohttp; do
            has_python $module && expect "$module, $path, takeover: $takeover" \
                OK python_client $module "$at"
        done
    done
done

# ---- our client ----

# What a server has found, when our client has come and gone.
by_our_client() { # LOG
    timeout 60 "$build/examples/ws_client" "ws://127.0.0.1:$port/" || return
    wait_for_text "$1" '^OK$'
}
if has_node; then
    serve node.log node "$source/tests/interop/ws.js" server
    expect "to node" OK by_our_client node.log
    serve node2.log node "$source/tests/interop/ws.js" server - \
        '{"perMessageDeflate": {"threshold": 0, "serverMaxWindowBits": 10,
            "clientMaxWindowBits": 9}}'
    expect "to node, with small windows" OK by_our_client node2.log
fi
if has_python aiohttp; then
    serve aiohttp.log $py "$source/tests/interop/ws.py" server
    expect "to aiohttp" OK by_our_client aiohttp.log
fi
tally
