#!/bin/bash
# fetch.sh - eddy fetch and the servers people run: nginx, node, Python.
set -euo pipefail

eddy="$EDDY_BUILD/eddy"
folder=$(mktemp -d)
pids=()
finish() {
    for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null || true; done
    wait 2>/dev/null || true
    rm -rf "$folder"
}
trap finish EXIT
mkdir "$folder/www" "$folder/out"
echo "hello" >"$folder/www/hello.txt"
head -c 20000000 /dev/urandom >"$folder/www/large.bin"

fail() {
    echo "$*"
    exit 1
}
wait_for_port() { # PORT
    for _ in $(seq 100); do
        (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null && return
        sleep 0.05
    done
    fail "nobody listens on port $1"
}
free_port() {
    python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0))
print(s.getsockname()[1])'
}

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
    }
}
CONF
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

# ---- what goes wrong ----

expect_status() { # WANT COMMAND...: its output is in $folder/said
    local want=$1 got=0
    shift
    "$@" >"$folder/said" 2>&1 || got=$?
    [ "$got" = "$want" ] || fail "$* exits $got: $(cat "$folder/said")"
}
said() { grep -q -- "$1" "$folder/said" || fail "$(cat "$folder/said")"; }

expect_status 1 "$eddy" fetch "${servers[0]}/nothing"
said '^   404 '
expect_status 1 "$eddy" fetch "${servers[0]}/hello.txt" http://127.0.0.1:1/
said 'failed .* http://127.0.0.1:1/'
said 'connect to 127.0.0.1:1: Connection refused'
expect_status 1 "$eddy" fetch -o "$folder/no/such" "${servers[0]}/hello.txt"
said 'No such file'
expect_status 2 "$eddy" fetch
said 'no URL'
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
