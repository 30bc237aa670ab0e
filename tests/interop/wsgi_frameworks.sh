#!/usr/bin/env bash
#
# wsgi_frameworks.sh - Flask and Django, as they are, under `eddy serve --wsgi`.

set -uo pipefail
# shellcheck source=tests/interop/wsgi_common.bash
. "$(dirname "$0")/wsgi_common.bash"

apps=$source/tests/interop
head -c 700000 /dev/urandom >upload

# What both can do; sets nothing. The server's url is $url.
both() { # NAME FILE
    expect "$1: a page" "$1" ask "$url/"
    ask "$url/form?a=1&a=2" -F name=Ada -F file=@upload >form
    expect_in "$1: a form" '"name"' cat form
    expect "$1: with its values" yes python3 -c "
import json
got = json.load(open('form'))
url = got.pop('url')
assert got == {'name': 'Ada', 'args': ['1', '2'], 'size': 700000}, got
assert url == '$url/form?a=1&a=2', url
print('yes')"
    # As a client sends it that does not know how long it is.
    ask -H 'Transfer-Encoding: chunked' -d name=Grace "$url/form" >form
    expect_in "$1: a form in chunks" Grace cat form
    rm -f jar
    ask -c jar "$url/count" >/dev/null
    expect "$1: a session" 2 ask -b jar "$url/count"
    expect "$1: a stream" '0.1.2' ask "$url/stream"
    ask "$url/file" >got
    expect "$1: a file" '' cmp got "$2"
    expect "$1: what is not there" 404 \
        ask -o /dev/null -w '%{http_code}' "$url/nothing"
    expect "$1: a view that fails" 500 \
        ask -o /dev/null -w '%{http_code}' "$url/boom"
    expect "$1: HEAD" "${#1} 0" \
        ask -I -o /dev/null -w '%header{content-length} %{size_download}' \
        "$url/"
}

run() { # NAME FILE OPTION...
    wsgi "$1" 2 "${@:3}" -t 3
    asking=()
    both "$1" "$2"
    for i in $(seq 40); do
        ask "$url/" >"many.$i" &
        asking+=($!)
    done
    wait "${asking[@]}"
    expect "$1: many at once" 40 sh -c "cat many.* | grep -o $1 | wc -l"
    rm many.*
    kill -TERM "$pid"
    wait "$pid"
    pids=()
}

done_with=0
if /usr/bin/python3 -c 'import flask' 2>/dev/null; then
    run flask "$apps/wsgi_flask.py" \
        --wsgi 'wsgi_flask:create_app()' --python-path "$apps"
    expect_in "flask: its exceptions are told" 'flask boom' cat flask
    done_with=1
fi
if /usr/bin/python3 -c 'import django' 2>/dev/null; then
    run django "$apps/wsgi_django/shop.py" \
        --wsgi shop:application --workdir "$apps/wsgi_django"
    done_with=1
fi
[ "$done_with" = 1 ] || { echo "neither Flask nor Django"; exit 77; }

tally
