#!/usr/bin/env bash
# The example that tests itself does, and its tests can fail.
set -euo pipefail
# shellcheck source=tests/interop/common.bash
. "$(dirname "${BASH_SOURCE[0]}")/common.bash"

program=$build/examples/test_app
"$program" --self-test || fail "test_app --self-test exits with $?"
