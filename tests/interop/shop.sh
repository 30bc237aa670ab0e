#!/usr/bin/env bash
#
# shop.sh - examples/shop: its own tests, with a real PostgreSQL, and the service
# as curl sees it.

set -uo pipefail
source=${EDDY_SOURCE:-$(readlink -f "$(dirname "$0")/../..")}
# shellcheck source=tests/interop/common.bash
. "$source/tests/interop/common.bash"
# shellcheck source=tests/interop/servers_common.bash
. "$source/tests/interop/servers_common.bash"
trap 'stop_servers; finish' EXIT
needs curl

start_postgres
shop=$build/examples/shop
tested() { "$shop" --self-test --database "$pg_dsn" && echo passed; }
expect "its tests pass" passed tested
expect_in "and fail without a database" "cannot test: the app does not start" \
    "$shop" --self-test --database host=/nowhere

serve log "$shop" --listen 127.0.0.1:0 --database "$pg_dsn" \
    --stock http://127.0.0.1:1 --prices http://127.0.0.1:1 \
    --reviews http://127.0.0.1:1
notes=$url/articles/42/notes
status() { curl -sS -m 20 -o body -w '%{http_code}' "$@"; }
expect "a note is taken" 201 status -d '{"text": "blue"}' "$notes"
expect_in "and kept" '"text":"blue"' curl -sS "$notes"
expect "an empty one is not" 400 status -d '{"text": ""}' "$notes"
expect "a page without its services is a bad gateway" 502 \
    status "$url/articles/42"
tally
