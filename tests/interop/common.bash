# common.bash - what the tests of this folder share; read by them.
#
# Goes into a folder of the test's own ($work), which vanishes with all that it
# has started ($pids). A test ends at its first failure, by fail(), or counts
# what holds, by expect() and its like, and ends with tally().

build=$(readlink -f "${EDDY_BUILD:?names a build directory}")
source=$(readlink -f "$(dirname "${BASH_SOURCE[0]}")/../..")
unset http_proxy HTTP_PROXY https_proxy HTTPS_PROXY all_proxy ALL_PROXY \
    no_proxy NO_PROXY
work=$(mktemp -d)
chmod 755 "$work" # servers change to other users
pids=()
passed=0
failed=0
finish() {
    [ ${#pids[@]} -eq 0 ] || kill "${pids[@]}" 2>/dev/null || true
    wait 2>/dev/null || true
    rm -rf "$work"
}
trap finish EXIT
cd "$work" || exit 1

# ---- what is here ----

have() { command -v "$1" >/dev/null; }
needs() { # PROGRAM...: the test is skipped without them
    for program; do
        have "$program" || { echo "no $program"; exit 77; }
    done
}

# Compiles a program of this folder against the library, with its sanitizers.
compile() { # NAME [FLAG...]
    local sanitize
    sanitize=$(sed -n 's/^EDDY_SANITIZE:STRING=//p' "$build/CMakeCache.txt")
    # shellcheck disable=SC2046 # flags are words
    cc -std=gnu17 -g -O1 ${sanitize:+"-fsanitize=$sanitize"} \
        "$source/tests/interop/$1.c" \
        $(PKG_CONFIG_PATH=$build pkg-config --static --cflags --libs eddy |
            sed 's/-leddy/-l:libeddy.a/') "${@:2}" -o "$1" || exit 1
}

# ---- servers ----

# shellcheck source=tests/interop/ports.bash
. "$source/tests/interop/ports.bash"
wait_for_port() { # PORT
    for _ in $(seq 400); do
        (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null && return
        sleep 0.05
    done
    fail "nobody listens on port $1"
}
# What first matches in a file, once it is there.
wait_for_text() { # FILE PATTERN
    for _ in $(seq 400); do
        grep -os "$2" "$1" | head -n 1 | grep . && return
        sleep 0.05
    done
    cat "$1" >&2
    exit 1
}
# shellcheck disable=SC2034 # used by those who read this
# Starts a server of ours that says where it listens: sets url, port and pid.
serve() { # LOG COMMAND...
    : >"$1" # where the one before listened is no news
    "${@:2}" >"$1" 2>&1 &
    pid=$!
    pids+=("$pid")
    until url=$(grep -Eos -m 1 'https?://[0-9.:]+' "$1"); do
        kill -0 "$pid" || { cat "$1"; exit 1; }
        sleep 0.02
    done
    port=${url##*:}
}

# ---- what holds ----

fail() { # WHAT...
    echo "$*"
    echo "$passed passed, $((failed + 1)) failed"
    exit 1
}

kept() { passed=$((passed + 1)); }
broken() { # PROMISE WHAT-CAME-INSTEAD
    failed=$((failed + 1))
    printf 'failed: %s\n%s\n' "$1" "$2"
}

# Functions bound their time themselves.
bounded() { # COMMAND...
    if [ "$(type -t "$1")" = function ]; then "$@"; else timeout 60 "$@"; fi
}
# All of a command's output matches a pattern; it has a text in it.
expect() { # PROMISE PATTERN COMMAND...
    local output
    output=$(bounded "${@:3}" 2>&1)
    if [[ $output =~ ^$2$ ]]; then kept; else broken "$1" "$output"; fi
}
expect_in() { # PROMISE TEXT COMMAND...
    local output
    output=$(bounded "${@:3}" 2>&1)
    if [[ $output == *"$2"* ]]; then
        kept
    else
        broken "$1" "no \"$2\" in: $output"
    fi
}

# For expect: a command's exit status.
status_of() { # COMMAND...
    "$@" >/dev/null 2>&1
    echo $?
}

# The end of a test; its status is the script's.
tally() {
    echo "$passed passed, $failed failed"
    [ "$failed" -eq 0 ]
}
