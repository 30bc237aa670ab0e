#!/usr/bin/env bash
#
# sql_names.sh - PostgreSQL's lexer agrees with ours: it prepares each compiled
# text of the unit test, and counts as many parameters. The database answers on
# its standard input; nothing listens.

set -euo pipefail

build=${EDDY_BUILD:?names a build directory}
source=${EDDY_SOURCE:-$(readlink -f "$(dirname "$0")/../..")}
shopt -s nullglob
postgres=(/usr/lib/postgresql/*/bin/postgres)
[[ ${#postgres[@]} -gt 0 ]] || { echo "no PostgreSQL"; exit 77; }
bin=$(dirname "${postgres[-1]}")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

# PostgreSQL refuses to run as root.
as_nobody() {
    if ((EUID != 0)); then "$@"; return; fi
    setpriv --reuid=nobody --regid=nogroup --clear-groups "$@"
}
((EUID != 0)) || chown nobody "$work"

sanitize=$(sed -n 's/^EDDY_SANITIZE:STRING=//p' "$build/CMakeCache.txt")
cc -std=gnu17 -g ${sanitize:+"-fsanitize=$sanitize"} \
    -I"$source/include" -I"$source/src" -I"$source/tests/support" \
    "$source/tests/interop/sql_names.c" "$build/libeddy.a" -o sql_names
./sql_names expect >expected
{
    ./sql_names prepare
    printf "select name || '=' || cardinality(parameter_types) as found
            from pg_prepared_statements;\n\n"
} >script

as_nobody timeout 60 "$bin/initdb" -D "$work/data" --no-sync -E UTF8 \
    --locale=C -A trust >initdb.log 2>&1 || { cat initdb.log; exit 1; }
as_nobody timeout 60 "$bin/postgres" --single -j -F -D "$work/data" postgres \
    <script >answers 2>log
grep -o 's[0-9]*=[0-9]*' answers | sort >found
sort expected | diff - found || {
    grep -A1 ERROR log || true
    echo "PostgreSQL reads these otherwise"
    exit 1
}
echo "$(wc -l <found) texts prepared"
