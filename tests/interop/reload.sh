#!/usr/bin/env bash
#
# reload.sh - --reload as a developer knows it: files change, the command runs,
# and the page shows the new code, or why there is none.

set -uo pipefail
# shellcheck source=tests/interop/common.bash
. "$(dirname "$0")/common.bash"
needs curl cc make

eddy=$build/eddy
cp "$source/tests/interop/serve_module.c" app.c
cat >Makefile <<END
app.so: app.c
	cc -shared -fPIC -I '$source/include' -DTEXT='"one"' app.c -o fresh.so
	mv fresh.so app.so
END
make -s || exit 1
cp app.c good.c

ask() { curl -s --max-time 20 "$@" "$url/"; }
# Until an answer has a text in it, or 20 s have passed.
until_answered() { # TEXT [CURL OPTION...]
    for _ in $(seq 400); do
        ask "${@:2}" | grep -q -- "$1" && return
        sleep 0.05
    done
    echo "never answered: $1"
    tail -n 40 log
    failed=$((failed + 1))
}
begin() { # OPTION...
    : >log
    serve log "$eddy" serve app.so --listen 127.0.0.1:0 --ctl none --reload "$@"
}
end() {
    kill -TERM "$pid"
    wait "$pid"
    expect "it ends well" 0 echo $?
    pids=()
}
runs() { grep -c 'running make' log; }

# ---- a command that builds ----

begin --reload-command make
until_answered one
expect "one worker is enough" 1 grep -c 'is ready' log
sed -i 's/TEXT)/"two")/' app.c
until_answered two
expect_in "the log says which file" 'app.c has changed' cat log

sed -i 's/static int text/static oops text/' app.c
until_answered "unknown type name"
expect_in "it says what failed" "'make' failed" ask
expect_in "with an honest status" ' 500 ' ask -i
expect_in "programs get text" 'text/plain' ask -i
expect_in "browsers get a page" 'text/html' ask -i -H 'Accept: text/html'
expect_in "in which nothing is markup" '&quot;one&quot;' \
    ask -H 'Accept: text/html'
expect "all paths say so" 500 \
    curl -s -o none -w '%{http_code}' -X POST "$url/no/such"
sed -i 's/static oops text/static int text/' app.c
until_answered two

# What cannot be loaded is told as the loader tells it.
sed -i 's/return app;/return nobody_has_it(app);/; 1i ed_app *nobody_has_it();' \
    app.c
sed -i '1i #include <eddy/eddy.h>' app.c
until_answered 'nobody_has_it'
expect_in "it says that it is not the command" 'It cannot start' ask
cp good.c app.c
until_answered one
# All that those changes have set off is over.
for _ in $(seq 40); do
    before=$(runs)
    sleep 0.5
    [ "$(runs)" = "$before" ] && break
done
touch hidden~ .hidden build.o
mkdir -p build && touch build/x.c
sleep 0.5
expect "what does not count does nothing" "$before" runs
mkdir -p deep/er
for _ in $(seq 200); do # what comes with its directory is not told by itself
    touch deep/er/new.h
    grep -q 'deep/er/new.h has changed' log && break
    sleep 0.1
done
expect_in "directories made later count" 'deep/er/new.h has changed' cat log
end

# ---- one that never comes to rest ----

begin --reload-command 'date +%N >stamp.$(date +%N)'
touch app.c
wait_for_text log 'name them with reload-ignore' >none
expect "a command that writes each time is not run for ever" 4 \
    grep -c 'running date' log
end
rm stamp.*

# ---- without a command ----

sed -i 's/"one"/"three"/' Makefile
begin
touch app.c
make -s
until_answered three
end

# ---- what is broken when it begins ----

echo nonsense >app.so
begin --reload-command make
until_answered 'app.so'
expect_in "it says that it cannot start" 'It cannot start' ask
touch app.c
until_answered three
end

# ---- what makes no sense ----

no_sense() { # OPTION...
    "$eddy" serve app.so --check "$@" 2>&1
}
expect_in "not with preload" '--reload with preload' no_sense --reload --preload
expect_in "not without a master" '--reload with single' no_sense --reload --single
expect_in "a command is for it" '--reload-command without reload' \
    no_sense --reload-command make
: >log
expect_in "a path that is not there is named" \
    "--reload-path 'no-such': No such file" \
    "$eddy" serve app.so --listen 127.0.0.1:0 --ctl none --reload \
    --reload-path no-such

tally
