#!/bin/bash
# fetch.sh - eddy fetch and the servers people run: nginx, node, Python.
set -euo pipefail

# shellcheck source=tests/interop/common.bash
. "$(dirname "$0")/common.bash"
eddy=$build/eddy
folder=$work
mkdir "$folder/www" "$folder/out"
echo "hello" >"$folder/www/hello.txt"
head -c 20000000 /dev/urandom >"$folder/www/large.bin"

expect_status() { # WANT COMMAND...: its output is in $folder/said
    local want=$1 got=0
    shift
    "$@" >"$folder/said" 2>&1 || got=$?
    [ "$got" = "$want" ] || fail "$* exits $got: $(cat "$folder/said")"
}
said() { grep -q -- "$1" "$folder/said" || fail "$(cat "$folder/said")"; }

# ---- the servers ----

python_port=$(free_port)
python3 -m http.server --bind 127.0.0.1 --directory "$folder/www" \
    "$python_port" >/dev/null 2>&1 &
pids+=($!)
servers=("http://127.0.0.1:$python_port")
wait_for_port "$python_port"

if command -v node >/dev/null; then
    node_port=$(free_port)
    cat >"$folder/server.js" <<'JS'
const fs = require('fs'), http = require('http');
const [, , root, port] = process.argv;
http.createServer((req, res) => {
    if (req.method === 'POST') {           // chunked, with what was sent
        res.writeHead(201, {'X-Type': req.headers['content-type'] || ''});
        req.pipe(res);
        return;
    }
    fs.createReadStream(root + req.url)    // chunked
        .on('error', () => { res.statusCode = 404; res.end('none\n'); })
        .pipe(res);
}).listen(port, '127.0.0.1');
JS
    node "$folder/server.js" "$folder/www" "$node_port" &
    pids+=($!)
    wait_for_port "$node_port"
    servers+=("http://127.0.0.1:$node_port")
fi

if command -v nginx >/dev/null; then
    nginx_port=$(free_port)
    cat >"$folder/nginx.conf" <<CONF
daemon off;
pid $folder/nginx.pid;
error_log $folder/nginx.log;
events {}
http {
    access_log off;
    client_body_temp_path $folder/body;
    proxy_temp_path $folder/proxy;
    fastcgi_temp_path $folder/fastcgi;
    uwsgi_temp_path $folder/uwsgi;
    scgi_temp_path $folder/scgi;
    server {
        listen 127.0.0.1:$nginx_port;
        listen unix:$folder/nginx.sock;
        root $folder/www;
        location /inside/ {
            alias $folder/www/;
            auth_basic "inside";
            auth_basic_user_file $folder/users;
        }
    }
}
CONF
    echo "me:$(openssl passwd -apr1 word)" >"$folder/users"
    chmod 755 "$folder" "$folder/www"
    nginx -c "$folder/nginx.conf" -e "$folder/nginx.log" &
    pids+=($!)
    wait_for_port "$nginx_port"
    servers+=("http://127.0.0.1:$nginx_port")
fi

# ---- all of them at once ----

urls=()
for server in "${servers[@]}"; do
    urls+=("$server/hello.txt" "$server/large.bin")
done
table=$("$eddy" fetch -o "$folder/out" "${urls[@]}") || fail "$table"
[ "$(grep -c '^   200 ' <<<"$table")" = "${#urls[@]}" ] || fail "$table"
[ "$(grep -c ' 20\.0 MB ' <<<"$table")" = "${#servers[@]}" ] || fail "$table"
grep -q "^${#urls[@]} fetched in .* one after the other" <<<"$table"
for file in "$folder"/out/hello.txt*; do
    cmp "$folder/www/hello.txt" "$file"
done
for file in "$folder"/out/large.bin*; do
    cmp "$folder/www/large.bin" "$file"
done
[ "$(find "$folder/out" -type f | wc -l)" = "${#urls[@]}" ]

# ---- a kept connection, a Unix socket, a body ----

if command -v nginx >/dev/null; then
    json=$("$eddy" fetch --json --limit 1 "${servers[-1]}/hello.txt" \
        "${servers[-1]}/hello.txt")
    python3 - "$json" <<'PYTHON' || fail "$json"
import json, sys
run = json.loads(sys.argv[1])
first, second = run["fetches"]
assert not first["reused"] and second["reused"]
assert first["ms"]["connect"] is not None and second["ms"]["connect"] is None
assert [f["status"] for f in run["fetches"]] == [200, 200]
assert first["size"] == 6 and first["error"] is None
assert run["sequential_ms"] >= first["ms"]["total"]
PYTHON
    socket=${folder//\//%2F}%2Fnginx.sock
    "$eddy" fetch -o "$folder/unix" "http+unix://$socket/hello.txt" >/dev/null
    cmp "$folder/www/hello.txt" "$folder/unix"
fi
if command -v node >/dev/null; then
    "$eddy" fetch -d @"$folder/www/large.bin" -H 'Content-Type: x/y' \
        -o "$folder/back" "http://127.0.0.1:$node_port/" >"$folder/table"
    grep -q '^   201 ' "$folder/table" || fail "$(cat "$folder/table")"
    cmp "$folder/www/large.bin" "$folder/back"
fi

# ---- as curl is used ----

if command -v node >/dev/null && command -v curl >/dev/null; then
    port=$(free_port)
    cat >"$folder/echo.js" <<'JS'
const http = require('http'), crypto = require('crypto');
const md5 = (text) => crypto.createHash('md5').update(text).digest('hex');
const tries = {};
const challenge = 'Digest realm="r", nonce="n", qop="auth"';
function answers(req) {
    const part = (name) => (req.headers.authorization || '')
        .match(new RegExp('[ ,]' + name + '="?([^",]*)'))?.[1];
    return part('response') === md5([md5('me:r:word'), part('nonce'),
        part('nc'), part('cnonce'), 'auth',
        md5(req.method + ':' + part('uri'))].join(':'));
}
http.createServer((req, res) => {      // tells what it was asked
    const url = new URL(req.url, 'http://x'), body = crypto.createHash('md5');
    let length = 0;
    req.on('data', (data) => { length += data.length; body.update(data); });
    req.on('end', () => {
        const busy = url.searchParams.get('busy');
        if (busy && (tries[busy] = (tries[busy] || 0) + 1) < 3)
            res.statusCode = 503;
        if (url.searchParams.has('to')) {
            res.statusCode = 307;
            res.setHeader('Location', url.searchParams.get('to'));
        }
        if (url.pathname === '/digest' && !answers(req)) {
            res.statusCode = 401;
            res.setHeader('WWW-Authenticate', [challenge, 'Basic realm="r"']);
        }
        if (url.pathname === '/cookies')
            res.setHeader('Set-Cookie', ['a=1; Path=/',
                'b=2; Path=/; Max-Age=3600; HttpOnly']);
        res.end(`${req.method} ${req.url} ${length} ${body.digest('hex')}\n` +
            `cookie: ${(req.headers.cookie || '').split('; ').sort()}\n` +
            `authorization: ${req.headers.authorization}\n`);
    });
}).listen(process.argv[2], '127.0.0.1');
JS
    node "$folder/echo.js" "$port" &
    pids+=($!)
    wait_for_port "$port"
    here="http://127.0.0.1:$port"
    there="http://localhost:$port"
    get() { # OPTION... URL: what the server saw is in $folder/said
        expect_status 0 timeout 20 "$eddy" fetch -o "$folder/got" "$@"
        cp "$folder/got" "$folder/said"
    }
    sum=$(head -c 70000 "$folder/www/large.bin" | tee "$folder/some" |
        md5sum | cut -d' ' -f1)

    get -d a=1 -d b=2 "$here/x"
    said "^POST /x 7 "
    for body in -T -F; do
        file=$folder/some
        [ $body = -T ] || file=f=@$file
        get -L $body "$file" -u me:word -b k=v "$here/a?to=$here/b"
        said '/b '
        said '^cookie: k=v$'
        said '^authorization: Basic bWU6d29yZA==$'
        get -L $body "$file" -u me:word -b k=v "$here/a?to=$there/b"
        said '/b '
        said '^cookie: $'
        said '^authorization: undefined$'
    done
    for how in --digest --anyauth; do
        get $how -u me:word -T "$folder/some" "$here/digest"
        said "^PUT /digest 70000 $sum$"
    done
    get -T "$folder/some" --retry 2 "$here/c?busy=put"
    said "^PUT /c?busy=put 70000 $sum$"
    expect_status 1 "$eddy" fetch -d x --retry 2 "$here/c?busy=post"
    said '^   503 '

    # The same cookies by the files of both.
    get -c "$folder/ours" "$here/cookies"
    [ "$(curl -s -b "$folder/ours" "$here/x" | grep '^cookie')" = \
        "cookie: a=1,b=2" ] || fail "$(cat "$folder/ours")"
    curl -s -o /dev/null -c "$folder/curls" "$here/cookies"
    get -b "$folder/curls" "$here/x"
    said '^cookie: a=1,b=2$'
    get -b "$folder/curls" -b c=3 -b 'd=4; e=5' "$here/x"
    said '^cookie: a=1,b=2,c=3,d=4,e=5$'
    get -L -c "$folder/ours" -b c=3 "$here/cookies?to=/x"
    said '^cookie: a=1,b=2,c=3$'
    get -b c=3 -b d=4 "$here/x"
    said '^cookie: c=3,d=4$'
    get -L -b "" "$here/cookies?to=/x"
    said '^cookie: a=1,b=2$'

    # Whatever is sent, memory stays small.
    truncate -s 256M "$folder/sparse"
    peak=$(python3 - "$eddy" fetch -o "$folder/got" -T "$folder/sparse" \
        "$here/" <<'PYTHON'
import resource, subprocess, sys
subprocess.run(sys.argv[1:], check=True, stdout=subprocess.DEVNULL, timeout=60)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
PYTHON
    ) || fail "-T of a large file failed"
    grep -q '^PUT / 268435456 ' "$folder/got" || fail "$(cat "$folder/got")"
    [ "$peak" -lt 131072 ] || fail "$peak kB for a file of 256 MB"

    urls=()
    for i in $(seq 100); do urls+=("$here/$i"); done
    "$eddy" fetch --json -u me:sesame "http://me:sesame@127.0.0.1:$port/" \
        "${urls[@]}" >"$folder/said" || fail "$(cat "$folder/said")"
    python3 - "$folder/said" <<'PYTHON' || fail "$(cat "$folder/said")"
import json, sys
text = open(sys.argv[1]).read()
assert "sesame" not in text
assert [f["status"] for f in json.loads(text)["fetches"]] == [200] * 101
PYTHON
fi
if command -v nginx >/dev/null; then
    get=("$eddy" fetch -o "$folder/got" "${servers[-1]}/inside/hello.txt")
    expect_status 0 "${get[@]}" -u me:word
    expect_status 0 "${get[@]}" -u me:word --anyauth
    expect_status 1 "${get[@]}" -u me:wrong
    expect_status 1 "${get[@]}" -u me:word --digest
    said '^   401 '
    expect_status 0 "$eddy" fetch -o "$folder/got" -r 1-3 \
        "${servers[-1]}/hello.txt"
    said '^   206 '
    [ "$(cat "$folder/got")" = ell ] || fail "$(cat "$folder/got")"
fi

# ---- what goes wrong ----

expect_status 1 "$eddy" fetch "${servers[0]}/nothing"
said '^   404 '
expect_status 1 "$eddy" fetch "${servers[0]}/hello.txt" http://127.0.0.1:1/
said 'failed .* http://127.0.0.1:1/'
said 'connect to 127.0.0.1:1: Connection refused'
expect_status 1 "$eddy" fetch -o "$folder/no/such" "${servers[0]}/hello.txt"
said "$folder/no/such: No such file"
expect_status 2 "$eddy" fetch
said 'no URL given; eddy help fetch tells more'
expect_status 0 "$eddy" fetch "${servers[0]#http://}/hello.txt?u=http://a"
said " ${servers[0]}/hello.txt?u=http://a$" # curl needs no scheme, either
"$eddy" fetch -o - "${servers[0]}/large.bin" 2>"$folder/said" |
    cmp - "$folder/www/large.bin"
said '^   200    20\.0 MB '
expect_status 2 "$eddy" fetch -o - http://a/ http://b/
said 'takes the body of one URL'
expect_status 1 "$eddy" fetch ftp://a/
said 'neither http:// nor https://'
expect_status 2 "$eddy" fetch --limt 3 http://a/
said "did you mean '--limit'"
expect_status 2 "$eddy" fetch --limit 0 http://a/
expect_status 2 "$eddy" fetch --timeout soon http://a/
expect_status 2 "$eddy" fetch -o "$folder/unix" http://a/ http://b/
said 'is no directory'
expect_status 2 "$eddy" fecth http://a/
said "did you mean 'fetch'"
expect_status 0 "$eddy" fetch --help
said '^usage: eddy fetch'
[ "$(wc -L <"$folder/said")" -lt 80 ] || fail "help is too wide for a terminal"
expect_status 0 "$eddy" help fetch
said '^usage: eddy fetch'
expect_status 0 "$eddy"
said '^usage: eddy COMMAND'
expect_status 0 "$eddy" --version

# A server that takes its time.
python3 -c 'import socket, time
s = socket.create_server(("127.0.0.1", 0))
print(s.getsockname()[1], flush=True)
time.sleep(60)' >"$folder/deaf" &
pids+=($!)
until [ -s "$folder/deaf" ]; do sleep 0.05; done
expect_status 1 "$eddy" fetch --timeout 0.2 \
    "http://127.0.0.1:$(cat "$folder/deaf")/"
said 'no response head within the deadline'

# One whose line is full: nobody is let in, nobody is refused.
python3 -c 'import socket, time
s = socket.socket()
s.bind(("127.0.0.1", 0))
s.listen(0)
port = s.getsockname()[1]
line = [socket.socket() for _ in range(4)]
for c in line:
    c.setblocking(False)
    c.connect_ex(("127.0.0.1", port))
time.sleep(0.2)
print(port, flush=True)
time.sleep(60)' >"$folder/full" &
pids+=($!)
until [ -s "$folder/full" ]; do sleep 0.05; done
full="127.0.0.1:$(cat "$folder/full")"
expect_status 1 "$eddy" fetch --connect-timeout 0.2 "http://$full/"
said 'not connected within the connect timeout of 0.2 s'

# ---- what nobody is to see ----

"$eddy" fetch --max-time 20 -u me:sesame -b s=sesame -x "http://p:sesame@$full" \
    "http://me:sesame@$full/" >/dev/null 2>&1 &
pid=$!
pids+=("$pid")
until tr '\0' ' ' <"/proc/$pid/cmdline" >"$folder/said" 2>/dev/null &&
    grep -q '\*\*@' "$folder/said"; do
    kill -0 "$pid" 2>/dev/null || fail "the fetch has ended"
    sleep 0.05
done
grep -q sesame "$folder/said" && fail "$(cat "$folder/said")"
kill "$pid"
expect_status 1 "$eddy" fetch http://me:sesame@127.0.0.1:1/ \
    http://me:ses@me@127.0.0.1:1/
grep -q 'ses' "$folder/said" && fail "$(cat "$folder/said")"

# Whatever the URL is, JSON tells of it, and a terminal is not told what to do.
expect_status 1 "$eddy" fetch --json $'http://a\xff\e[31m/' \
    me:sesame@127.0.0.1:1
python3 - "$folder/said" <<'PYTHON' || fail "$(cat "$folder/said")"
import json, sys
first, second = json.load(open(sys.argv[1]))["fetches"]
assert first["url"] == "http://a??[31m/"
assert second["url"] == "http://127.0.0.1:1"
PYTHON

# ---- wrong usage, each told in words of its own ----

wrong() { # TEXT OPTION...
    expect_status 2 timeout 5 "$eddy" fetch "${@:2}"
    said "$1"
}
wrong "no option '-Z'" --json -Zk http://127.0.0.1:1/
wrong '--json takes no value' --json=3 http://127.0.0.1:1/
wrong "no option '--limt' (did you mean '--limit'?)" --limt=3 http://a/
wrong '-o needs a value' http://127.0.0.1:1/ -o
wrong '--header no is not "NAME: VALUE"' -H no http://127.0.0.1:1/
wrong '--form no is not NAME=VALUE' -F no http://127.0.0.1:1/
wrong '--user wants NAME:PASSWORD' -u no http://127.0.0.1:1/
wrong '-d, -F and -T exclude each other' -d a -T b http://127.0.0.1:1/
wrong "'G T' is no method" -X 'G T' http://127.0.0.1:1/
wrong 'a range is' -r no http://127.0.0.1:1/
wrong 'proxy: not the URL of a proxy' -x http://:1 http://127.0.0.1:1/
wrong 'proxy: its scheme is none of' -x ftp://a http://127.0.0.1:1/
wrong '--resolve a is not HOST:PORT:ADDRESS' --resolve a http://127.0.0.1:1/
wrong "'a' is no address" --interface a http://127.0.0.1:1/
wrong '--retry -1 is not 0 to 100' --retry -1 http://127.0.0.1:1/
wrong '--connect-timeout 0 is no' --connect-timeout 0 http://127.0.0.1:1/
