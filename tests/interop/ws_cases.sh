#!/usr/bin/env bash
#
# ws_cases.sh - WebSockets, as a server and as a client, do what RFC 6455 and
# RFC 7692 say, in all cases of ws_cases.

# shellcheck source=tests/interop/ws_common.bash
. "$(dirname "$0")/ws_common.bash"
needs cc
compile ws_client_target
compile ws_server_target

# ---- a server ----

all_but_handshakes=framing,pings,reserved,opcodes,fragments,masks,lengths,utf8
all_but_handshakes+=,closing,limits,compression
# What might differ when messages are read in pieces, or other contexts are used.
in_pieces=framing,pings,reserved,fragments,utf8,closing
in_pieces+=,compression.told,compression.by_hand,compression.large
contexts=compression.told,compression.window,compression.by_hand
contexts+=,compression.kept_9,compression.all,compression.mixed

serve echo.log "$build/examples/ws_echo" --listen 127.0.0.1:0
cases "a server, by events" server "$url" --strict --only $all_but_handshakes
cases "a server, in fibers" server "$url/stream" --strict --only $in_pieces
kill -TERM "$pid"
ended_well "the server" "$pid" echo.log

serve target.log ./ws_server_target --listen 127.0.0.1:0
cases "handshakes with a server" server "$url" --strict --only handshake
cases "a server that keeps contexts" server "$url/kept" --strict \
    --only compression
kill -TERM "$pid"
ended_well "the other server" "$pid" target.log

# ---- a client ----

cases "a client" client --strict -- ./ws_client_target
cases "a client that keeps contexts" client --strict --only compression \
    -- ./ws_client_target --takeover
cases "a client with small windows" client --strict --only $contexts \
    -- ./ws_client_target --takeover --bits 9 --peer-bits 10
cases "a client that reads in pieces" client --strict --only $in_pieces \
    -- ./ws_client_target --pieces
cases "a client that does not compress" client --strict \
    --only reserved,handshake_client -- ./ws_client_target --off

tally
