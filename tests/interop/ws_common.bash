# ws_common.bash - runs ws_cases for the tests of WebSockets; read by them.

set -uo pipefail
# shellcheck source=tests/interop/common.bash
. "$(dirname "${BASH_SOURCE[0]}")/common.bash"

# The system's, for it is there wherever the tests are.
python=/usr/bin/python3
[ -x $python ] || python=python3

# Of a whole run. Each wait in it is bounded, and a silent peer ends it early.
patience=150
# Of each wait: under a sanitizer and on a busy machine twenty large messages,
# compressed, have taken more than the ten seconds it has by itself.
patience_each=30

# Counts the cases that hold, and shows those that do not. What is right but
# might be better is a failure here: of ours we know that it can be.
cases() { # WHAT ARGUMENT...
    local output
    # shellcheck disable=SC2154 # common.bash sets it
    output=$(timeout $patience $python -B "$source/tests/interop/ws_cases" \
        --patience $patience_each "${@:2}" 2>&1)
    local status=$? counted
    counted=$(grep -E '^[0-9]+ passed, [0-9]+ failed' <<<"$output" | tail -n 1)
    if [ -z "$counted" ]; then
        broken "$1" "$output"
        return
    fi
    read -r good _ bad _ <<<"$counted"
    passed=$((passed + good))
    failed=$((failed + bad))
    if [ $status -ne 0 ]; then
        echo "$1:"
        grep -Ev '^[0-9]+ (passed|at less)' <<<"$output"
    fi
}

# The process has ended well: a sanitizer would have had it otherwise.
ended_well() { # WHAT PID LOG
    if wait "$2"; then kept; else broken "$1 ends well" "$(tail -n 40 "$3")"; fi
}
