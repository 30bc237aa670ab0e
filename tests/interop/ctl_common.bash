# ctl_common.bash - a server to look into; read by tests of what looks.

# shellcheck source=tests/interop/common.bash
. "$(dirname "${BASH_SOURCE[0]}")/common.bash"
unset EDDY_CTL RUNTIME_DIRECTORY XDG_RUNTIME_DIR NO_COLOR COLUMNS
export LC_ALL=C.UTF-8
# shellcheck disable=SC2034 # used by those who read this
eddy=$build/eddy
# Answers are copies: tests may change them.
cp -r "$source/tests/interop/ctl_v1" v1
compile ctl_server

# Starts one; what it is told goes to NAME.told. Sets pid.
look_into() { # NAME MILLISECONDS ADDRESS...
    ./ctl_server v1 "${@:2}" >"$1.told" 2>"$1.log" &
    pid=$!
    pids+=("$pid")
    wait_for_text "$1.told" ready >/dev/null
}
