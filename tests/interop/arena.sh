#!/usr/bin/env bash
#
# arena.sh - examples/arena keeps the rules of the suites it is written for,
# with a PostgreSQL and a Redis of its own, and is honest without them.

set -uo pipefail
arena=${EDDY_BUILD:?names a build directory}/examples/arena
source=${EDDY_SOURCE:-$(readlink -f "$(dirname "$0")/../..")}
for program in curl python3 openssl psql; do
    command -v "$program" >/dev/null || { echo "no $program"; exit 77; }
done
# shellcheck source=tests/interop/servers_common.bash
. "$source/tests/interop/servers_common.bash"
unset http_proxy https_proxy all_proxy DATABASE_URL REDIS_URL TLS_CERT TLS_KEY
export no_proxy='*'

work=$servers
programs=()
finish() {
    ((${#programs[@]} == 0)) || kill -TERM "${programs[@]}" 2>/dev/null
    stop_servers
}
trap finish EXIT
cd "$work" || exit
passed=0
failed=0

expect() { # PROMISE COMMAND...
    if "${@:2}" >output 2>&1; then
        passed=$((passed + 1))
        return
    fi
    failed=$((failed + 1))
    echo "failed: $1"
    head -c 600 output fields answer 2>/dev/null
    echo
}

# ---- the service ------------------------------------------------------------

start() { # LOG [OPTION...]; with the environment given; sets $url, $tls, $pid
    : >"$1"
    "$arena" --listen 127.0.0.1:0 --workers 1 --listen-tls 127.0.0.1:0 "${@:2}" 2>"$1" &
    pid=$!
    programs+=("$pid")
    until grep -q 'is ready' "$1" && url=$(grep -o 'http://127.*' "$1"); do
        kill -0 "$pid" 2>/dev/null || { cat "$1"; exit 1; }
        sleep 0.02
    done
    tls=$(grep -om 1 'https://127.*' "$1")
}

stop() { # PID; its exit status
    local pid kept=()
    for pid in "${programs[@]}"; do
        [[ $pid == "$1" ]] || kept+=("$pid")
    done
    programs=("${kept[@]}")
    kill -TERM "$1"
    wait "$1"
}

# ---- asking -----------------------------------------------------------------

# The answer goes to ./answer, its fields to ./fields and its status to $status.
get() { # PATH [CURL-OPTION...]
    status=$(curl -s -m 20 -D sent -o answer -w '%{http_code}' "${@:2}" \
        "$url$1") && tr -d '\r' <sent >fields
}
answers() { # STATUS PATH [CURL-OPTION...]
    get "${@:2}" && [[ $status == "$1" ]]
}
has() { grep -qix "$1" fields; } # FIELD-LINE
lacks() { ! has "$1"; }
says() { # TEXT PATH [CURL-OPTION...]
    answers 200 "${@:2}" && [[ $(<answer) == "$1" ]]
}
# The JSON of the answer, as `d`, has a property.
holds() { # PYTHON-EXPRESSION PATH [CURL-OPTION...]
    get "${@:2}" && has 'content-type: application/json' && python3 -c '
import json, sys
d = json.load(open("answer"))
sys.exit(not eval("(" + sys.argv[1] + ")"))' "$1"
}
world='all(list(w) == ["id", "randomNumber"] and 1 <= w["id"] <= 10000
           and 1 <= w["randomNumber"] <= 10000 for w in d)'

# ---- what needs no database -------------------------------------------------

plain_routes() {
    expect "json is as the rules have it" says '{"message":"Hello, World!"}' /json
    expect "its type is JSON" has 'content-type: application/json'
    expect "and it tells who served it" has 'server: ..*'
    expect "and when" grep -qiE "^date: $(date -u '+%a, %d %b %Y') [0-9:]{8} GMT" fields
    expect "its length, too" has 'content-length: 27'
    expect "plaintext is as the rules have it" says 'Hello, World!' /plaintext
    expect "its type is text" has 'content-type: text/plain'
    expect "GET adds two" says 55 '/baseline11?a=13&b=42'
    expect "negative ones, too" says -3 '/baseline11?a=-5&b=2'
    expect "POST adds a third" says 75 '/baseline11?a=13&b=42' -d 20
    expect "also when it comes in chunks" says 75 '/baseline11?a=13&b=42' \
        -d 20 -H 'Transfer-Encoding: chunked'
    expect "a body that is no number is refused" answers 400 \
        '/baseline11?a=13&b=42' -d 2x
    expect "a long one, too" answers 413 '/baseline11?a=1&b=2' -d "$(printf '%099d' 1)"
    expect "so is a term that is none" answers 400 '/baseline11?a=one&b=2'
    expect "pipeline is ok" says ok /pipeline
    expect "there is nothing elsewhere" answers 404 /nowhere
    expect "nor for other methods" answers 405 /json -X DELETE
}

check_json_items() {
    expect "json counts its items" holds \
        'd["count"] == len(d["items"]) == 7' '/json/7?m=3'
    expect "and multiplies" holds 'all(
        i["total"] == i["price"] * i["quantity"] * 3 for i in d["items"])' \
        '/json/7?m=3'
    expect "each with what an item has" holds 'all(list(i) == [
        "id", "name", "category", "price", "quantity", "active", "tags",
        "rating", "total"] and list(i["rating"]) == ["score", "count"]
        and type(i["active"]) is bool for i in d["items"])' /json/50
    expect "there are 50, not more" holds 'd["count"] == 50' /json/51
    expect "and one at least" holds 'd["count"] == 1' /json/0
    expect "m is 1 when it is absent" holds \
        'd["items"][0]["total"] == d["items"][0]["price"] * d["items"][0]["quantity"]' /json/1
    expect "it is compressed for who asks" holds 'd["count"] == 50' /json/50 \
        --compressed -H 'Accept-Encoding: gzip'
    expect "and said to be" has 'content-encoding: gzip'
    expect "for nobody else" holds 'd["count"] == 50' /json/50
    expect "nor said to be" lacks 'content-encoding: .*'
    expect "what is no count is not there" answers 404 /json/many
}

check_uploads() {
    head -c 20000000 /dev/urandom >large
    expect "upload counts 20 MB" says 20000000 /upload --data-binary @large
    expect "also in chunks" says 20000000 /upload --data-binary @large \
        -H 'Transfer-Encoding: chunked'
    expect "and nothing" says 0 /upload -X POST
}

# Requests in pieces, cut anywhere, and 16 in one write.
cat >pieces.py <<'PY'
import socket, sys, time
from urllib.parse import urlsplit

url = urlsplit(sys.argv[1])
s = socket.create_connection((url.hostname, url.port))
s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
f = s.makefile("rb")

def answer():
    line = f.readline()
    assert line == b"HTTP/1.1 200 OK\r\n", line
    length = None
    while (field := f.readline()) != b"\r\n":
        name, _, value = field.partition(b":")
        if name.lower() == b"content-length":
            length = int(value)
    return f.read(length)

def in_pieces(request, body):
    s.sendall(request)
    assert body in answer()
    for cut in range(1, len(request)):
        s.sendall(request[:cut])
        time.sleep(0.001)
        s.sendall(request[cut:])
        assert body in answer(), cut
    for at in range(len(request)):
        s.sendall(request[at:at + 1])
        time.sleep(0.0005)
    assert body in answer()

in_pieces(b"GET /json/5?m=3 HTTP/1.1\r\nHost: arena\r\n\r\n", b'"count":5}')
in_pieces(
    b"POST /baseline11?a=13&b=42 HTTP/1.1\r\nHost: arena\r\n"
    b"Transfer-Encoding: chunked\r\n\r\n1\r\n2\r\n1\r\n0\r\n0\r\n\r\n",
    b"75",
)
in_pieces(
    b"POST /baseline11?a=13&b=42 HTTP/1.1\r\nHost: arena\r\n"
    b"Content-Length: 2\r\n\r\n20",
    b"75",
)
s.sendall(b"GET /pipeline HTTP/1.1\r\nHost: arena\r\n\r\n" * 16)
assert [answer() for _ in range(16)] == [b"ok"] * 16
PY

check_tls() {
    expect "TLS offers HTTP/1.1 to who would like more" grep -q \
        'ALPN protocol: http/1.1' <(openssl s_client -connect "${tls#*//}" \
            -alpn h2,http/1.1 </dev/null 2>&1)
    get '/json/20?m=9'
    mv answer clear
    url=$tls get '/json/20?m=9' -k
    expect "the same JSON comes over TLS" cmp clear answer
    url=$tls expect "and the database, too" holds 'd["id"] == 7' \
        /crud/items/7 -k
}

openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 \
    -subj /CN=localhost -keyout key.pem -out cert.pem 2>openssl.log ||
    { cat openssl.log; exit 1; }

start alone.log
plain_routes
check_json_items
check_uploads
expect "requests come in fragments" timeout 60 python3 pieces.py "$url"
for path in /db /queries /updates /fortunes /cached-queries /async-db \
    /crud/items /crud/items/1; do
    expect "without a database $path says so" answers 503 "$path"
done
expect "and so does the log" grep -q 'DATABASE_URL names no database' alone.log
expect "it stops when told" stop "$pid"

# ---- a dataset of one's own -------------------------------------------------

cat >two.json <<'JSON'
[{"id": 1, "name": "Ünï \"q\"", "category": "a", "price": 3, "quantity": 5,
  "active": false, "tags": [], "rating": {"score": 1, "count": 2}},
 {"id": 2, "name": "b", "category": "b", "price": 1, "quantity": 1,
  "active": true, "tags": ["x", "y"], "rating": {"score": 3, "count": 4}}]
JSON
start two.log --dataset two.json
expect "a dataset of one's own is served" holds 'd == {"count": 2, "items": [
    {**i, "total": i["price"] * i["quantity"] * 7}
    for i in json.load(open("two.json"))]}' '/json/9?m=7'
expect "it stops when told" stop "$pid"
echo '[{"id": 1}]' >bad.json
refuses() { ! timeout 20 "$arena" --listen 127.0.0.1:0 "$@" 2>refused.log; }
expect "a dataset that is none keeps it from starting" refuses \
    --dataset bad.json
expect "and it says why" grep -q 'bad.json: item 0' refused.log

# ---- WebSockets -------------------------------------------------------------

start ws.log
expect "messages are sent back" timeout 60 /usr/bin/python3 -B \
    "$source/tests/interop/ws_cases" server "${url/http/ws}/ws" --only framing
expect "it stops when told" stop "$pid"

# ---- a folder of files ------------------------------------------------------

mkdir files
seq 1000 >files/app.js
gzip -k files/app.js
start files.log --static files
expect "a file is served" says "$(seq 1000)" /static/app.js
expect "with its type" has 'content-type: text/javascript; charset=utf-8'
expect "compressed, to who takes that" says "$(seq 1000)" /static/app.js \
    --compressed -H 'Accept-Encoding: br, gzip'
expect "and told so" has 'content-encoding: gzip'
expect "it is looked at each time" answers 200 /static/app.js
rm files/app.js
expect "and gone when it is" answers 404 /static/app.js
expect "it stops when told" stop "$pid"
expect "a folder that is missing keeps it from starting" refuses --static none
expect "and it says why" grep -q '"none": No such file' refused.log

# ---- with a database --------------------------------------------------------

start_postgres
ask() { timeout 20 psql -X -A -t -d "$pg_dsn" -c "$1"; } # SQL
export DATABASE_URL=$pg_dsn DATABASE_MAX_CONN=8
for _ in once again; do
    expect "seeding makes the tables, $_" timeout 60 "$arena" --seed
done
expect "of that many rows" test "$(ask 'select (select count(*) from world),
    (select count(*) from fortune), (select count(*) from items)')" = \
    '10000|12|100000'

TLS_CERT=cert.pem TLS_KEY=key.pem start stored.log
plain_routes
check_tls

expect "db is one world" holds "(lambda d: $world)([d])" /db
expect "of the table" test "$(python3 -c 'import json
print(json.load(open("answer"))["randomNumber"])')" = \
    "$(ask "select randomnumber from world where id = $(python3 -c '
import json; print(json.load(open("answer"))["id"])')")"
for pair in 'queries /queries' 'queries /updates' 'count /cached-queries'; do
    read -r name path <<<"$pair"
    expect "$path: a list of worlds" holds "$world and len(d) == 20" \
        "$path?$name=20"
    expect "$path: 500 at most" holds "$world and len(d) == 500" \
        "$path?$name=501"
    for few in '' "?$name=" "?$name=foo" "?$name=0" "?$name=-3"; do
        expect "$path$few is one" holds "$world and len(d) == 1" "$path$few"
    done
done

expect "updates are stored" holds "$world" '/updates?queries=30'
expect "as they were told" python3 - "$pg_dsn" <<'PY'
import json, subprocess, sys
told = {w["id"]: w["randomNumber"] for w in json.load(open("answer"))}
ids = ",".join(map(str, told))
found = subprocess.run(
    ["psql", "-XAtd", sys.argv[1], "-c",
     f"select id, randomnumber from world where id in ({ids})"],
    capture_output=True, text=True, check=True).stdout
assert told == {int(a): int(b) for a, b in
                (line.split("|") for line in found.split())}
PY
updates_meet() {
    seq 40 | xargs -P 8 -I{} curl -s -m 30 -o /dev/null -w '%{http_code}\n' \
        "$url/updates?queries=300" >statuses
    [[ $(sort -u statuses) == 200 && $(wc -l <statuses) == 40 ]]
}
expect "many updates at once all come through" updates_meet

expect "fortunes are HTML in UTF-8" answers 200 /fortunes
expect "by their type" has 'content-type: text/html; charset=utf-8'
expect "a script is shown, not run" grep -qF \
    '&lt;script&gt;alert(&quot;This message' answer
expect "nowhere is it a script" bash -c '! grep -q "<script" answer'
expect "an ampersand is one" grep -qF 'worked &amp; nobody' answer
expect "Japanese is as it was" grep -qF 'フレームワークのベンチマーク</td>' answer
expect "one is added, and all are in order" python3 - <<'PY'
import html, re
page = open("answer", encoding="utf-8").read()
assert page.startswith("<!DOCTYPE html><html>")
rows = re.findall(r"<tr><td>(\d+)</td><td>(.*?)</td></tr>", page)
texts = [html.unescape(message) for _, message in rows]
assert len(rows) == 13
assert texts == sorted(texts, key=str.encode)
assert ("0", "Additional fortune added at request time.") in rows
PY

# ---- items ------------------------------------------------------------------

item='list(i) == ["id", "name", "category", "price", "quantity", "active",
    "tags", "rating"] and list(i["rating"]) == ["score", "count"]
    and type(i["tags"]) is list and type(i["active"]) is bool'
expect "async-db finds items by their price" holds "len(d['items']) ==
    d['count'] == 20 and all($item and 100 <= i['price'] <= 200
    for i in d['items'])" '/async-db?min=100&max=200&limit=20'
expect "50 from 10 to 50 when nothing is said" holds \
    "d['count'] == 50 and all(10 <= i['price'] <= 50 for i in d['items'])" \
    /async-db
expect "and no more than 50" holds "d['count'] == 50" '/async-db?limit=51'
expect "or none" holds "d == {'items': [], 'count': 0}" \
    '/async-db?min=9000&max=9001'

expect "a list has pages" holds "d['page'] == 2 and d['limit'] == 5
    and d['total'] == len(d['items']) == 5 and all($item
    and i['category'] == 'office' for i in d['items'])" \
    '/crud/items?category=office&page=2&limit=5'
expect "10 electronics when nothing is said" holds "d['page'] == 1
    and d['total'] == d['limit'] == 10
    and {i['category'] for i in d['items']} == {'electronics'}
    and [i['id'] for i in d['items']] == sorted(i['id'] for i in d['items'])" \
    /crud/items
expect "a list has 50 at most" holds "d['total'] == d['limit'] == 50" \
    '/crud/items?limit=500'
expect "a category nobody has is empty" holds "d['items'] == []" \
    '/crud/items?category=none'

cached() { # HIT|MISS PATH
    answers 200 "$2" && has "x-cache: $1"
}
put() { answers "$1" "/crud/items/$2" -X PUT -d "$3"; } # STATUS ID JSON
post() { answers "$1" /crud/items -d "$2"; }            # STATUS JSON
# What is cached lives for 200 ms. A busy machine may keep one from seeing it in
# time: then once more, with an empty cache. One that never is in time cannot
# tell, which is no failure. The command's status is 2 if what it saw is wrong
# however late.
in_time() { # COMMAND...
    local began outcome
    for _ in {1..20}; do
        sleep 0.25
        began=${EPOCHREALTIME/./}
        outcome=0
        "$@" || outcome=$?
        ((outcome == 0)) && return
        ((outcome == 2 || ${EPOCHREALTIME/./} - began < 200000)) && return 1
    done
    echo "too busy to tell: $*"
}
kept_for_all() {
    cached MISS /crud/items/42 && cp answer missed &&
        cached HIT /crud/items/42 && cmp missed answer &&
        url=$other cached HIT /crud/items/42 && cmp missed answer
}
no_longer_by_hits() {
    cached MISS /crud/items/42 && sleep 0.12 &&
        cached HIT /crud/items/42 || return 1
    sleep 0.12
    cached MISS /crud/items/42 || return 2
}
# What was cached is not any more, though its 200 ms have not passed.
seen_at_once() { # CHANGE...
    local began=${EPOCHREALTIME/./}
    cached MISS /crud/items/42 && url=$other "$@" && cp answer changed &&
        cached MISS /crud/items/42 &&
        ((${EPOCHREALTIME/./} - began < 200000))
}
check_crud() { # $url, and $other, which may be the same
    sleep 0.25
    expect "an item is a miss first" cached MISS /crud/items/42
    expect "and whole" holds "(lambda i: $item and i['id'] == 42)(d)" \
        /crud/items/42
    sleep 0.25
    expect "after 200 ms it is one again, and then a hit for everybody" \
        in_time kept_for_all
    expect "a hit does not make it live longer" in_time no_longer_by_hits
    expect "a change is seen at once" in_time seen_at_once put 200 42 \
        '{"name": "Ünï", "price": 77, "quantity": 3}'
    expect "and told with its fields" python3 -c '
import json; assert json.load(open("changed")) == {
    "id": 42, "name": "Ünï", "price": 77, "quantity": 3}'
    expect "by everybody" holds "d['name'] == 'Ünï' and d['price'] == 77" \
        /crud/items/42
    expect "a new item is 201" post 201 '{"id": 200001, "name": "Bench Test",
        "category": "test", "price": 25, "quantity": 10}'
    expect "with the item" python3 -c '
import json; assert json.load(open("answer"))["id"] == 200001'
    expect "it can be read" holds "(lambda i: $item
        and i['category'] == 'test')(d)" /crud/items/200001
    expect "what is made anew is seen at once, too" in_time seen_at_once \
        post 201 '{"id": 42, "name": "Ünï", "category": "toys", "price": 5,
        "quantity": 1}'
    expect "and made again, in its place" post 201 '{"id": 200001,
        "name": "other", "category": "test", "price": 26, "quantity": 10}'
    expect "which is seen at once" holds "d['name'] == 'other'" \
        /crud/items/200001
}
check_crud_refusals() {
    expect "who is not there is not found" answers 404 /crud/items/999999
    expect "however far away" answers 404 /crud/items/99999999999
    expect "nor changed" put 404 999999 '{"name": "a", "price": 1, "quantity": 1}'
    expect "what is no JSON is refused" put 400 42 '{"name": '
    expect "and what has not all" put 400 42 '{"name": "a"}'
    expect "or is of other types" post 400 '{"id": "1", "name": 1}'
    expect "or too large for the column" post 400 '{"id": 99999999999,
        "name": "a", "category": "a", "price": 1, "quantity": 1}'
}
other=$url
check_crud
check_crud_refusals
expect "seeding anew does not disturb who is served" timeout 60 "$arena" --seed
expect "it goes on" holds "(lambda d: $world)([d])" /db
expect "it stops when told" stop "$pid"
expect "nothing went wrong meanwhile" bash -c '! grep -E " ERROR .*ED_ESQL|Sanitizer" stored.log'

# ---- several processes, one cache -------------------------------------------

start_redis
export REDIS_URL=unix://$redis_socket
start first.log
first=$pid
other=$url
start second.log
check_crud
kill -STOP "$redis_pid"
expect "a cache that does not answer costs no answer" cached MISS /crud/items/8
kill -CONT "$redis_pid"
expect "the first stops when told" stop "$first"
expect "so does the second" stop "$pid"

echo "$passed passed, $failed failed"
((failed == 0))
