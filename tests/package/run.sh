#!/usr/bin/env bash
#
# run.sh - what is installed can be used, by pkg-config and by CMake, and shows
# no name that is not Eddy's.
#
# EDDY_BUILD names a build directory; the last line counts as tools/tally reads.

set -uo pipefail
here=$(dirname "$(readlink -f "$0")")
build=${EDDY_BUILD:?names a build directory}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
passed=0
failed=0

check() { # PROMISE COMMAND...
    local output
    if output=$("${@:2}" 2>&1); then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        printf 'failed: %s\n%s\n' "$1" "$output"
    fi
}

# Builds and runs the consumer against the eddy.pc of one directory.
with_pkg_config() { # DIRECTORY
    local flags
    flags=$(PKG_CONFIG_PATH=$1 pkg-config --cflags --libs eddy) || return
    # shellcheck disable=SC2086 # flags are words
    cc -std=c17 "$here/consumer.c" $flags -o "$work/consumer" &&
        LD_LIBRARY_PATH=$pc/.. "$work/consumer"
}

in_cxx() {
    local flags
    flags=$(PKG_CONFIG_PATH=$pc pkg-config --cflags --libs eddy) || return
    # shellcheck disable=SC2086 # flags are words
    c++ -std=c++20 -Wall -Wextra -Wno-missing-field-initializers -Werror \
        "$here/consumer.cc" $flags -o "$work/consumer_cxx" &&
        LD_LIBRARY_PATH=$pc/.. "$work/consumer_cxx"
}

# As docs/install.md has it: a module is linked with nothing of ours.
with_module() {
    local flags
    flags=$(PKG_CONFIG_PATH=$pc pkg-config --cflags eddy) || return
    # shellcheck disable=SC2086 # flags are words
    cc -shared -fPIC -std=c17 $flags -o "$work/libapp.so" -x c - <<'C' || return
#include <eddy/app.h>
static int hello(ed_req *req)
{
    return ed_reply(req, 200, "Hello, world!\n");
}
ed_app *eddy_app(void)
{
    ed_app *app = ed_app_new();
    ed_route(app, "GET /", hello);
    return app;
}
C
    "$work/moved/bin/eddy" serve "$work/libapp.so" --ctl none --single \
        --listen "unix:$work/app.sock" 2>"$work/serve.log" &
    local pid=$! answer='' i
    for ((i = 0; i < 200 && ${#answer} == 0; i++)); do
        answer=$("$work/moved/bin/eddy" fetch --json \
            "http+unix://${work//\//%2F}%2Fapp.sock/" | grep '"status": 200')
        sleep 0.05
    done
    kill "$pid"
    wait "$pid"
    [[ -n $answer ]] || { cat "$work/serve.log"; return 1; }
}

with_static_library() {
    local flags
    flags=$(PKG_CONFIG_PATH=$pc pkg-config --static --cflags --libs eddy) ||
        return
    # shellcheck disable=SC2086 # flags are words
    cc -std=c17 "$here/consumer.c" ${flags/-leddy/-l:libeddy.a} \
        -o "$work/static" && "$work/static" && ! ldd "$work/static" | grep libeddy
}

# A linker leaves out what nothing in a program asks for; the patch does.
with_patch() { # PROGRAM
    LD_LIBRARY_PATH=$pc/.. LD_PRELOAD=$pc/../libeddy-patch.so EDDY_PATCH=nothing \
        "$1" 2>&1 | grep "EDDY_PATCH: unknown mode 'nothing'"
}

with_cmake() {
    cmake -S "$here" -B "$work/cmake" -G Ninja \
        -DCMAKE_PREFIX_PATH="$work/moved" &&
        cmake --build "$work/cmake" &&
        "$work/cmake/with_eddy" && "$work/cmake/with_eddy_static"
}

shows_only_our_names() {
    local names
    names=$(nm -D --defined-only "$build/libeddy.so" |
        awk '$2 != "A" && $3 !~ /^ed_/') && [[ -z $names ]] || {
        echo "$names"
        return 1
    }
}

lacks_no_name_of_ours() {
    local names
    names=$(nm -D --undefined-only "$build/libeddy.so" | awk '/ ed_/') &&
        [[ -z $names ]] || {
        echo "$names"
        return 1
    }
}

# Installed by a plain prefix, then moved: nothing in it may remember where.
check "it installs" cmake --install "$build" --prefix "$work/prefix"
mv "$work/prefix" "$work/moved"
pc=$(find "$work/moved" -name eddy.pc -printf '%h')

check "a build directory can be used" with_pkg_config "$build"
check "pkg-config finds what was installed" with_pkg_config "$pc"
check "the static library is complete" with_static_library
check "CMake finds what was installed" with_cmake
check "a module is served that is linked with nothing" with_module
check "a program in C++ has all that one in C has" in_cxx
for program in consumer static cmake/with_eddy cmake/with_eddy_static; do
    check "the patch finds the library in $program" with_patch "$work/$program"
done
check "the error table is installed" test -f "$work/moved/include/eddy/err.def"
check "libeddy.so shows only ed_ names" shows_only_our_names
check "libeddy.so lacks none of them" lacks_no_name_of_ours

echo "$passed passed, $failed failed"
((failed == 0))
