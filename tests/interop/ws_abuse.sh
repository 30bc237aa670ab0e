#!/usr/bin/env bash
#
# ws_abuse.sh - peers that mean harm to a WebSocket server take a bounded part
# of it, and others are served meanwhile: floods, bombs, messages without end,
# half-open connections, handshakes that do not end.

# shellcheck source=tests/interop/ws_common.bash
. "$(dirname "$0")/ws_common.bash"
needs cc
[ -r /proc/self/status ] || { echo "no /proc"; exit 77; }
compile ws_server_target

# What was freed is to be given back, and not kept to find errors with.
export ASAN_OPTIONS=${ASAN_OPTIONS:+$ASAN_OPTIONS:}quarantine_size_mb=8

serve target.log ./ws_server_target --listen 127.0.0.1:0
cases "a server" abuse "$url" "$pid" --strict
ended_well "it" "$pid" target.log

tally
