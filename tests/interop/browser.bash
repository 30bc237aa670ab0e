# browser.bash - runs a test of pages, NAME.mjs; read by NAME.sh.
#
# What such tests need: node, Chromium, and playwright-core, which ./dev test
# puts into build/npm.

# shellcheck source=tests/interop/common.bash
. "$(dirname "${BASH_SOURCE[0]}")/common.bash"
needs node
have chromium || needs chromium-browser
export PLAYWRIGHT=$source/build/npm/node_modules/playwright-core
[ -d "$PLAYWRIGHT" ] || { echo "no playwright-core"; exit 77; }
# Chromium's own files stay in the folder of the test.
export HOME=$work TMPDIR=$work EDDY_BUILD=$build

browse() { # NAME
    node "$source/tests/interop/$1.mjs" &
    pids+=("$!")
    wait "$!"
}
