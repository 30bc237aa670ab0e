#!/usr/bin/env bash
#
# client_bodies.sh - bodies of the client, encoded, as forms, as events, and
# the servers people run: nginx, node, Python.

set -euo pipefail

# shellcheck source=tests/interop/common.bash
. "$(dirname "$0")/common.bash"
needs node nginx python3 cc

# ---- the client ----

compile client_bodies
client() { timeout 40 ./client_bodies "$@"; }

# ---- the servers ----

mkdir www
chmod 755 . www
seq 20000 >www/lines.txt
cp www/lines.txt www/plain.txt
head -c 300000 /dev/urandom >upload.bin
module=/usr/lib/nginx/modules/ngx_http_brotli_filter_module.so
brotli=
[ -e "$module" ] && brotli=yes
nginx_port=$(free_port)
cat >nginx.conf <<CONF
daemon off;
pid $work/nginx.pid;
error_log $work/nginx.log;
${brotli:+load_module $module;}
events {}
http {
    access_log off;
    client_body_temp_path $work/body;
    proxy_temp_path $work/proxy;
    fastcgi_temp_path $work/fastcgi;
    uwsgi_temp_path $work/uwsgi;
    scgi_temp_path $work/scgi;
    types { text/plain txt; }
    gzip_types text/plain;
    gzip_min_length 1;
    ${brotli:+brotli_types text/plain; brotli_min_length 1;}
    server {
        listen 127.0.0.1:$nginx_port;
        location /gzip/ { alias $work/www/; gzip on; }
        location /br/ { alias $work/www/; ${brotli:+brotli on;} }
        location /zstd/ {
            alias $work/www/;
            add_header Content-Encoding zstd;
        }
        location / { root $work/www; }
    }
}
CONF
nginx -c "$work/nginx.conf" -e "$work/nginx.log" &
pids+=($!)
wait_for_port "$nginx_port"

cat >server.js <<'JS'
const crypto = require('crypto'), fs = require('fs'), http = require('http');
const zlib = require('zlib');
const lines = fs.readFileSync('www/lines.txt');
const encoders = {
    gzip: zlib.gzipSync, br: zlib.brotliCompressSync,
    zlib: zlib.deflateSync, raw: zlib.deflateRawSync,
    cut: b => zlib.gzipSync(b).subarray(0, 1000),
    twice: b => zlib.gzipSync(zlib.brotliCompressSync(b)),
};
const names = {zlib: 'deflate', raw: 'deflate', cut: 'gzip', twice: 'br, gzip'};

// Parts by hand: [{head, content}].
function parts(body, type) {
    const mark = '--' + /boundary=(.*)/.exec(type)[1];
    const text = body.toString('latin1');
    const pieces = text.split(mark);
    if (pieces[0] !== '' || pieces.pop() !== '--\r\n') throw Error('frame');
    return pieces.slice(1).map(piece => {
        const at = piece.indexOf('\r\n\r\n');
        return {head: piece.slice(2, at), content: piece.slice(at + 4, -2)};
    });
}
function echo(req, res, asked) {
    const pieces = [];
    req.on('data', piece => pieces.push(piece)).on('end', () => {
        const body = Buffer.concat(pieces), type = req.headers['content-type'];
        const told = {asked, type: type.replace(/boundary=.*/, ''),
            length: Number(req.headers['content-length']) === body.length};
        if (type.startsWith('multipart')) {
            told.parts = parts(body, type).map(part => ({head: part.head,
                sha: crypto.createHash('sha256')
                    .update(Buffer.from(part.content, 'latin1')).digest('hex')}));
        } else if (type.startsWith('application/x-www')) {
            told.pairs = [...new URLSearchParams(body.toString())];
        } else {
            told.sha = crypto.createHash('sha256').update(body).digest('hex');
        }
        res.end(JSON.stringify(told));
    });
}
let connections = 0;
function events(req, res) {
    const last = Number(req.headers['last-event-id'] || 0);
    const gzip = req.url === '/events/gzip';
    res.writeHead(200, {'Content-Type': 'text/event-stream',
        ...(gzip ? {'Content-Encoding': 'gzip'} : {})});
    const out = gzip ? zlib.createGzip() : res;
    if (gzip) out.pipe(res);
    connections++;
    out.write(`retry: 100\n:connection ${connections}\n`);
    out.write(`event: tick\nid: ${last + 1}\ndata: ${connections}\n\n`);
    out.write(`id: ${last + 2}\ndata: plain\n\n`);
    if (gzip) out.flush();
    setTimeout(() => out.end(), 100);
}
const server = http.createServer((req, res) => {
    const [, first, name] = req.url.split('/');
    if (first === 'coded') {
        res.setHeader('Content-Encoding', names[name] || name);
        res.end(encoders[name](lines));
    } else if (first === 'events') {
        events(req, res);
    } else {
        echo(req, res, false);
    }
});
server.on('checkContinue', (req, res) => {
    if (req.url === '/refuse') {
        res.statusCode = 413;
        res.end('too large\n');
        return;
    }
    res.writeContinue();
    echo(req, res, true);
});
server.on('checkExpectation', (req, res) => { res.writeHead(417); res.end(); });
server.listen(process.argv[2], '127.0.0.1');
JS
node_port=$(free_port)
node server.js "$node_port" &
pids+=($!)
wait_for_port "$node_port"

cat >server.py <<'PYTHON'
import email, hashlib, http.server, json, sys

class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        message = email.message_from_bytes(
            b"Content-Type: " + self.headers["Content-Type"].encode()
            + b"\r\n\r\n" + body)
        told = [[part.get_param("name", header="content-disposition"),
                 part.get_filename(), part.get_content_type(),
                 hashlib.sha256(part.get_payload(decode=True)).hexdigest()]
                for part in message.get_payload()]
        reply = json.dumps(told).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(reply)))
        self.end_headers()
        self.wfile.write(reply)

    def log_message(self, *arguments):
        pass

http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])),
                                Handler).serve_forever()
PYTHON
python_port=$(free_port)
python3 server.py "$python_port" &
pids+=($!)
wait_for_port "$python_port"

# ---- codings ----

same() { # URL
    for way in whole stream; do
        client "$way" "$1" >out 2>err || fail "$way $1: $(cat err)"
        cmp out www/lines.txt || fail "$way $1"
    done
}
nginx=http://127.0.0.1:$nginx_port node=http://127.0.0.1:$node_port
same "$nginx/plain.txt"
same "$nginx/gzip/lines.txt"
[ -z "$brotli" ] || same "$nginx/br/lines.txt"
if command -v zstd >/dev/null; then
    zstd -q www/lines.txt -o lines.zst
    mkdir www/zst && mv lines.zst www/zst/lines.txt
    same "$nginx/zstd/zst/lines.txt"
fi
for coding in gzip br zlib raw twice; do same "$node/coded/$coding"; done
client whole "$node/coded/cut" >out 2>err && fail "cut off, yet taken"
grep -q 'ED_ECODING: GET .*: gzip data is cut off' err || fail "$(cat err)"

# ---- forms and files ----

sum=$(sha256sum upload.bin | cut -d' ' -f1)
client form "$node/form" upload.bin >out 2>err || fail "$(cat err)"
python3 - out "$sum" <<'PYTHON' || fail "$(cat out)"
import hashlib, json, sys
told = json.load(open(sys.argv[1]))
assert told["asked"] and told["length"]
assert told["type"] == "multipart/form-data; "
field, file, data = told["parts"]
assert field["head"] == 'Content-Disposition: form-data; name="a %22name%22"'
assert field["sha"] == hashlib.sha256("a value & =+ä".encode()).hexdigest()
assert file["head"].endswith('filename="f%221.txt"\r\nContent-Type: text/x-test')
assert file["sha"] == sys.argv[2]
assert data["sha"] == hashlib.sha256(b"--\r\n--x--\r\n").hexdigest()
PYTHON
client form "http://127.0.0.1:$python_port/" upload.bin >out 2>err ||
    fail "$(cat err)"
python3 - out "$sum" <<'PYTHON' || fail "$(cat out)"
import json, sys
field, file, data = json.load(open(sys.argv[1]))
assert field[:2] == ["a %22name%22", None]
assert file == ["file", "f%221.txt", "text/x-test", sys.argv[2]]
assert data[:3] == ["bytes", None, "application/octet-stream"]
PYTHON
client pairs "$node/form" >out 2>err || fail "$(cat err)"
grep -qF '"pairs":[["a \"name\"","a value & =+ä"]]' out || fail "$(cat out)"
client file "$node/file" upload.bin >out 2>err || fail "$(cat err)"
grep -qF "\"asked\":true,\"type\":\"text/x-test\",\"length\":true,\"sha\":\"$sum\"" \
    out || fail "$(cat out)"
client file "$node/refuse" upload.bin >out 2>err || fail "$(cat err)"
grep -qx 413 err && grep -qx 'too large' out || fail "$(cat err out)"

# ---- events ----

for path in events events/gzip; do
    client events "$node/$path" 4 >out 2>err || fail "$(cat err)"
    grep -Eq '^tick 1 [0-9]+$' out || fail "$(cat out)"
    grep -Eq '^tick 3 [0-9]+$' out || fail "$(cat out)"
    [ "$(grep -c '^message [24] plain$' out)" = 2 ] || fail "$(cat out)"
done
client events "$nginx/plain.txt" 1 >out 2>err && fail "text is no events"
grep -q 'text/plain instead of text/event-stream' err || fail "$(cat err)"
echo "all as expected"
