#!/usr/bin/env bash
#
# console.sh - the console in Chromium: what it shows of a server, what a client
# made up shows as text, changes with the token and not without, wide and narrow,
# light and dark; and eddy console, which passes it on.

set -uo pipefail
# shellcheck source=tests/interop/browser.bash
. "$(dirname "$0")/browser.bash"
cp -r "$source/tests/interop/ctl_v1" v1
compile ctl_server
browse console
