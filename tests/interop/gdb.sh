#!/usr/bin/env bash
#
# gdb.sh - real gdb finds fibers and their stacks, in a process and in a core
# file.

set -uo pipefail
# shellcheck source=tests/interop/common.bash
. "$(dirname "$0")/common.bash"
needs gdb
# A sanitizer's memory is not for gdb to look through.
grep -q '^EDDY_SANITIZE:STRING=.' "$build/CMakeCache.txt" && exit 77

compile gdb_target

says() { # FILE PATTERN
    if grep -Eq "$2" "$1"; then
        kept
    else
        broken "nothing like \"$2\"" "$(cat "$1")"
    fi
}

look() { # ARGUMENTS OF GDB...
    gdb -q -batch -nx -ex "source $source/tools/gdb/eddy-gdb.py" "$@" 2>&1
}

finds_everything() { # FILE
    says "$1" 'load_user \(.*gdb_target.c:[0-9]+\)  waits for sleep'
    says "$1" 'napper \(.*gdb_target.c:[0-9]+\)  waits for sleep'
    says "$1" '4 .* stop \(.*\)  running'
    says "$1" '^#[0-9]+ .* in fetch_user \(id=4711\) at .*gdb_target.c'
    says "$1" '^#[0-9]+ .* in load_user '
    says "$1" '^#[0-9]+ .* in rest '
    # The thread's own frames are the running fiber's only.
    says "$1" '^#[0-9]+ .*stop_here '
}

questions=(-ex 'eddy fibers' -ex 'eddy bt 2' -ex 'eddy bt 3' -ex 'eddy bt 4')

look -ex 'break stop_here' -ex run "${questions[@]}" \
    -ex 'printf "back in "' -ex 'frame' gdb_target >live
finds_everything live
says live 'back in #0 .*stop_here'

look -ex 'eddy bt 1' gdb_target >nothing
says nothing 'no process'

# Where the system writes core files elsewhere there is none to look into.
(ulimit -c unlimited; exec ./gdb_target) >/dev/null 2>&1
core=$(find . -name 'core*' | head -1)
if [[ -n $core ]]; then
    look "${questions[@]}" gdb_target "$core" >dead
    finds_everything dead
fi

tally
