#!/usr/bin/env bash
#
# feed.sh - examples/feed in Chromium: pages see the same messages by WebSocket
# and as events, filter them, stand still without harm to others, and lose none
# when the feed or its source is started anew.

set -uo pipefail
# shellcheck source=tests/interop/browser.bash
. "$(dirname "$0")/browser.bash"
browse feed
