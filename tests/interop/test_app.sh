#!/usr/bin/env bash
# The example that tests itself does, and its tests can fail.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/common.bash"

program=$EDDY_BUILD/examples/test_app
"$program" --self-test || fail "test_app --self-test exits with $?"
