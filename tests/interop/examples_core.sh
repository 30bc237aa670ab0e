#!/usr/bin/env bash
#
# examples_core.sh - the examples that need no network do what they say.

set -uo pipefail
examples=${EDDY_BUILD:?names a build directory}/examples
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work" || exit
passed=0
failed=0

expect() { # PROMISE STATUS PATTERN COMMAND...
    local output status
    output=$("${@:4}" 2>&1)
    status=$?
    if [[ $status == "$2" ]] && grep -Eq "$3" <<<"$output"; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        printf 'failed: %s (status %s)\n%s\n' "$1" "$status" "$output"
    fi
}

# Ends it once it has ticked twice and, if that is wanted, has shown a tree in
# which the fiber sleeps; it may be about to tick when it is asked.
interrupted() { # SIGNAL [TREE]
    : >ticks # not those of the run before
    "$examples/periodic" 20 >ticks 2>&1 &
    until grep -q 'tick at [2-9]' ticks; do sleep 0.01; done
    if (($# > 1)); then
        for _ in {1..200}; do
            kill -USR1 $!
            sleep 0.05
            grep -Eq "$2" ticks && break
        done
    fi
    kill "-$1" $!
    wait $!
    local status=$?
    cat ticks
    return $status
}

printf 'a\nb\n' >two
: >none
expect "lines are counted" 0 '2 two' "$examples/blocking" two none
expect "a file that is not there is named" 1 'nope: No such file' \
    "$examples/blocking" two nope
expect "usage is told" 2 'usage: blocking' "$examples/blocking"

expect "a signal ends it in good order" 0 '^bye$' interrupted TERM
tree='tick_for_ever \(.*waits for sleep'
expect "the tree is printed on request" 0 "$tree" interrupted INT "$tree"

# `true` says nothing, not even a line end, and may be the first to end.
expect "what a command says is shown" 0 '(^|: )echo hi: hi$' \
    "$examples/subprocess" 10000 'echo hi' 'true'
expect "a failed command is explained" 1 'exit status 3: no luck' \
    "$examples/subprocess" 10000 'echo no luck >&2; exit 3' 'sleep 60'
expect "time limits hold" 1 'deadline passed' \
    "$examples/subprocess" 50 'sleep 60'

echo "$passed passed, $failed failed"
((failed == 0))
