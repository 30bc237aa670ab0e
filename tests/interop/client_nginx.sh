#!/bin/bash
# client_nginx.sh - redirects, passwords, ranges and cookies, by eddy fetch and
# by curl, of nginx and node: both have to get the same.
set -euo pipefail

# shellcheck source=tests/interop/common.bash
. "$(dirname "$0")/common.bash"
needs nginx node curl python3
eddy=$build/eddy
folder=$work
mkdir -m 755 "$folder/www"

# ---- the servers ----

python3 -c 'print("".join("%09d\n" % i for i in range(10000)), end="")' \
    >"$folder/www/numbers.txt"
echo "hello" >"$folder/www/hello.txt"
mkdir "$folder/www/secret"
echo "treasure" >"$folder/www/secret/map.txt"
echo 'me:{PLAIN}pass word' >"$folder/passwords"

node_port=$(free_port)
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
        root $folder/www;
        location = /301 { return 301 /hello.txt; }
        location = /relative { return 302 secret/../hello.txt; }
        location = /loop { return 302 /loop; }
        location = /303 { return 303 http://127.0.0.1:$node_port/echo; }
        location = /307 { return 307 http://127.0.0.1:$node_port/echo; }
        location = /ftp { return 302 ftp://127.0.0.1/; }
        location /secret/ {
            auth_basic "a secret";
            auth_basic_user_file $folder/passwords;
        }
    }
}
CONF
cat >"$folder/server.js" <<'JS'
// Tells what it was asked; sets cookies; asks for digests, once with each
// nonce.
const crypto = require('crypto'), http = require('http');
const hash = (name, text) =>
    crypto.createHash(name).update(text).digest('hex');
const names = {md5: 'MD5', sha256: 'SHA-256', 'sha512-256': 'SHA-512-256'};
const used = new Set();

function echo(req, res) {
    const body = [];
    req.on('data', (piece) => body.push(piece)).on('end', () => {
        res.end(JSON.stringify({method: req.method, url: req.url,
            body: Buffer.concat(body).toString(), headers: req.headers}));
    });
}

function digest(req, res, kind, session) {
    const sent = req.headers.authorization || '';
    const part = (name) =>
        (sent.match(new RegExp('[ ,]' + name + '="?([^",]*)"?')) || [])[1];
    const nonce = part('nonce'), realm = 'a \\"realm\\"';
    let secret = hash(kind, 'me:a "realm":pass word');
    if (session)
        secret = hash(kind, `${secret}:${nonce}:${part('cnonce')}`);
    const want = hash(kind, [secret, nonce, part('nc'), part('cnonce'), 'auth',
        hash(kind, `${req.method}:${req.url}`)].join(':'));
    const fresh = nonce && !used.has(nonce + part('nc'));
    used.add(nonce + part('nc'));
    if (fresh && part('response') === want && part('uri') === req.url) {
        res.end('treasure\n');
        return;
    }
    const again = crypto.randomBytes(8).toString('hex');
    res.writeHead(401, {'WWW-Authenticate': ['Basic realm="weak"',
        `Digest realm="${realm}", qop="auth,auth-int", nonce="${again}", ` +
        `algorithm=${names[kind]}${session ? '-sess' : ''}, opaque="o"`]});
    res.end();
}

http.createServer((req, res) => {
    const [, first, second] = req.url.split(/[/?]/);
    if (first === 'digest')
        return digest(req, res, second.split('.')[0], second.includes('sess'));
    if (first === 'set')
        res.setHeader('Set-Cookie', ['plain=1', 'deep=2; Path=/set/deeper',
            'root=3; Path=/; Max-Age=1000; HttpOnly', 'gone=4; Max-Age=0',
            'foreign=5; Domain=a.org', 'secure=6; Secure',
            'quoted="7 8"; Path=/; expires=Wed, 01-Jan-2070 00:00:00 GMT']);
    if (first === 'set' && second === 'go') {
        res.writeHead(302, {Location: '/set/deeper/show'});
        return res.end();
    }
    echo(req, res);
}).listen(+process.argv[2], '127.0.0.1');
JS
nginx -c "$folder/nginx.conf" -e "$folder/nginx.log" &
pids+=($!)
node "$folder/server.js" "$node_port" &
pids+=($!)
wait_for_port "$nginx_port"
wait_for_port "$node_port"
nginx=http://127.0.0.1:$nginx_port
node=http://127.0.0.1:$node_port

# Both fetch; the bodies have to be equal, and the status to be as told.
same() { # STATUS OPTION... URL
    local status=$1 ours
    shift
    rm -f "$folder/ours" "$folder/theirs"
    ours=$("$eddy" fetch --json -o "$folder/ours" "$@") || true
    timeout 20 curl -s -o "$folder/theirs" "$@" || true
    python3 - "$status" "$ours" <<'PYTHON' || fail "$* gives $ours"
import json, sys
assert json.loads(sys.argv[2])["fetches"][0]["status"] == int(sys.argv[1])
PYTHON
    [ -e "$folder/theirs" ] || : >"$folder/theirs"
    cmp "$folder/ours" "$folder/theirs" || fail "$*: another body than curl's"
}
# What node heard, as Python sees it in `it`.
heard() { # EXPRESSION
    python3 -c 'import json, sys
it = json.load(open(sys.argv[1])); h = it["headers"]
assert eval(sys.argv[2]), it' "$folder/ours" "$1" || fail "not so: $1"
}
ours() { # OPTION... URL
    "$eddy" fetch -o "$folder/ours" "$@" >"$folder/table" ||
        fail "$(cat "$folder/table")"
}

# ---- redirects ----

same 200 -L "$nginx/301"
same 200 -L "$nginx/relative"
same 301 "$nginx/301"
ours -L "$nginx/303" -d 'a=b' -H 'Authorization: mine' -H 'Cookie: a=b' \
    -H 'X-Other: c'
heard 'it["method"] == "GET" and it["body"] == ""'
heard '"content-type" not in h and "content-length" not in h'
heard '"authorization" not in h and "cookie" not in h'
heard 'h["x-other"] == "c" and h["host"].endswith(it["headers"]["host"])'
ours -L "$nginx/307" -d 'a=b' -u 'me:pass word'
heard 'it["method"] == "POST" and it["body"] == "a=b"'
heard '"authorization" not in h'
"$eddy" fetch -L --max-redirs 5 "$nginx/loop" >"$folder/table" 2>&1 &&
    fail "a loop does not end with an error"
grep -q 'more than 5 redirects' "$folder/table" || fail "$(cat "$folder/table")"
same 302 "$nginx/ftp"

# ---- passwords ----

same 401 "$nginx/secret/map.txt"
same 401 -u me:wrong "$nginx/secret/map.txt"
same 200 -u 'me:pass word' "$nginx/secret/map.txt"
same 200 "http://me:pass%20word@127.0.0.1:$nginx_port/secret/map.txt"
same 200 --anyauth -u 'me:pass word' "$nginx/secret/map.txt"
for kind in md5 md5.sess sha256 sha256.sess; do
    same 200 --digest -u 'me:pass word' "$node/digest/$kind?a=b&c"
    same 200 --anyauth -u 'me:pass word' "$node/digest/$kind"
    same 401 --digest -u me:wrong "$node/digest/$kind"
done
# Of this one not every curl knows.
for kind in sha512-256 sha512-256.sess; do
    ours --digest -u 'me:pass word' "$node/digest/$kind"
    grep -q treasure "$folder/ours" || fail "no treasure by $kind"
done

# ---- parts ----

same 206 -r 10-19 "$nginx/numbers.txt"
same 206 -r 99990- "$nginx/numbers.txt"
same 206 -r -15 "$nginx/numbers.txt"
same 416 -r 200000- "$nginx/numbers.txt"
etag=$(curl -sI "$nginx/hello.txt" | tr -d '\r' | sed -n 's/^ETag: //p')
same 304 -H "If-None-Match: $etag" "$nginx/hello.txt"
same 200 -H 'If-None-Match: "other"' "$nginx/hello.txt"

# ---- cookies ----

# A jar that one of them writes is read by the other, and both send the same.
cookies_of() { # FILE
    python3 -c 'import json, sys
print(json.load(open(sys.argv[1]))["headers"].get("cookie"))' "$1"
}
# Of paths of one length curl sends the younger first, and to the loopback
# address it sends what is Secure in the clear, too.
sorted_cookies_of() { # FILE
    cookies_of "$1" | tr -d ' ' | tr ';' '\n' | sort | grep -v '^secure='
}
ours -L -c "$folder/jar" "$node/set/go"
[ "$(cookies_of "$folder/ours")" = 'deep=2; plain=1; root=3; quoted="7 8"' ] ||
    fail "$(cookies_of "$folder/ours")"
[ "$(stat -c %a "$folder/jar")" = 600 ] || fail "others can read the jar"
curl -s -L -c "$folder/curls_jar" -o /dev/null "$node/set/go"
for jar in jar curls_jar; do
    for path in set/deeper/x set/x x; do
        ours -b "$folder/$jar" "$node/$path"
        curl -s -b "$folder/$jar" -o "$folder/theirs" "$node/$path"
        diff <(sorted_cookies_of "$folder/ours") \
            <(sorted_cookies_of "$folder/theirs") ||
            fail "other cookies for /$path by the $jar"
    done
done
# One that cannot be read is not replaced by the part of it that could.
{ cat "$folder/jar"; echo nonsense; cat "$folder/jar"; } >"$folder/torn_jar"
cp "$folder/torn_jar" "$folder/kept_jar"
"$eddy" fetch -b "$folder/torn_jar" -c "$folder/torn_jar" "$node/x" \
    >"$folder/said" 2>&1 && fail "a torn jar was taken"
grep -q 'torn_jar:[0-9]*: less than six parts' "$folder/said" ||
    fail "$(cat "$folder/said")"
cmp "$folder/torn_jar" "$folder/kept_jar" || fail "a torn jar was replaced"
