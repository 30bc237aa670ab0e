#!/usr/bin/env bash
#
# reload_page.sh - the page of a module that does not build, in Chromium: it
# shows what the compiler says as text, and gives way to the app by itself.

set -uo pipefail
# shellcheck source=tests/interop/browser.bash
. "$(dirname "$0")/browser.bash"
needs cc make

cp "$source/tests/interop/serve_module.c" app.c
cat >Makefile <<END
app.so: app.c
	cc -shared -fPIC -I '$source/include' -DTEXT='"<b>mended</b>"' \\
		app.c -o fresh.so
	mv fresh.so app.so
END
make -s || exit 1
serve log "$build/eddy" serve app.so --listen 127.0.0.1:0 --ctl none --reload \
    --reload-command make
export URL=$url
browse reload_page
