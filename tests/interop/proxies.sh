#!/bin/bash
# proxies.sh - eddy fetch, https to the servers people run, and the proxies
# between: tinyproxy, microsocks, and one of node's over TLS.
set -euo pipefail

# shellcheck source=tests/interop/common.bash
. "$(dirname "$0")/common.bash"
needs openssl nginx node tinyproxy microsocks
eddy=$build/eddy
folder=$work
fetch() { # [VARIABLE=VALUE]... URL
    rm -f "$folder/got"
    timeout 20 env SSL_CERT_FILE="$folder/ca.pem" "${@:1:$#-1}" \
        "$eddy" fetch -o "$folder/got" "${@: -1}" >"$folder/said" 2>&1
}
same() { # [VARIABLE=VALUE]... URL
    fetch "$@" || fail "$*: $(cat "$folder/said")"
    cmp "$folder/got" "$folder/www/file" || fail "$*: another file"
}
refused() { # TEXT [VARIABLE=VALUE]... URL
    fetch "${@:2}" && fail "${*:2}: fetched"
    grep -q -- "$1" "$folder/said" ||
        fail "${*:2}: '$1' is not said, but: $(cat "$folder/said")"
}

# ---- certificates and a file ----

mkdir "$folder/www"
head -c 3000000 /dev/urandom >"$folder/www/file"
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 \
    -subj "/CN=tests" -keyout "$folder/ca.key" -out "$folder/ca.pem" \
    2>/dev/null
openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes \
    -subj "/CN=site" -keyout "$folder/site.key" -out "$folder/site.csr" \
    2>/dev/null
openssl x509 -req -in "$folder/site.csr" -CA "$folder/ca.pem" \
    -CAkey "$folder/ca.key" -CAcreateserial -days 2 -out "$folder/site.pem" \
    -extfile <(echo "subjectAltName=DNS:localhost,IP:127.0.0.1") 2>/dev/null

# ---- servers ----

nginx_port=$(free_port)
plain_port=$(free_port)
cat >"$folder/nginx.conf" <<CONF
daemon off;
master_process off;
pid $folder/nginx.pid;
error_log $folder/nginx.log;
events {}
http {
    access_log off;
    server {
        listen 127.0.0.1:$plain_port;
        listen 127.0.0.1:$nginx_port ssl;
        ssl_certificate $folder/site.pem;
        ssl_certificate_key $folder/site.key;
        root $folder/www;
    }
}
CONF
nginx -c "$folder/nginx.conf" -p "$folder" 2>/dev/null &
pids+=($!)

node_port=$(free_port)
tls_proxy_port=$(free_port)
cat >"$folder/node.js" <<'JS'
const fs = require('fs'), https = require('https'), net = require('net');
const [, , folder, port, proxyPort] = process.argv;
const tls = {cert: fs.readFileSync(folder + '/site.pem'),
             key: fs.readFileSync(folder + '/site.key')};
https.createServer(tls, (req, res) => {
    fs.createReadStream(folder + '/www' + req.url).pipe(res);
}).listen(port, '127.0.0.1');
https.createServer(tls).on('connect', (req, client) => {
    const [host, at] = req.url.split(':');
    const server = net.connect(at, host, () => {
        client.write('HTTP/1.1 200 Connected\r\n\r\n');
        server.pipe(client).pipe(server);
    });
    server.on('error', () => client.destroy());
    client.on('error', () => server.destroy());
}).listen(proxyPort, '127.0.0.1');
JS
NODE_OPTIONS=--dns-result-order=ipv4first \
    node "$folder/node.js" "$folder" "$node_port" "$tls_proxy_port" &
pids+=($!)

python_port=$(free_port)
python3 - "$folder" "$python_port" >/dev/null 2>&1 <<'PY' &
import functools, http.server, ssl, sys
folder, port = sys.argv[1], int(sys.argv[2])
handler = functools.partial(http.server.SimpleHTTPRequestHandler,
                            directory=folder + "/www")
server = http.server.ThreadingHTTPServer(("127.0.0.1", port), handler)
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(folder + "/site.pem", folder + "/site.key")
server.socket = context.wrap_socket(server.socket, server_side=True)
server.serve_forever()
PY
pids+=($!)

# ---- proxies ----

tinyproxy() { # PORT [LINE]
    local conf="$folder/tinyproxy-$1.conf"
    printf 'Port %s\nListen 127.0.0.1\nTimeout 20\nMaxClients 20\n%s\n' \
        "$1" "${2:-}" >"$conf"
    command tinyproxy -d -c "$conf" >/dev/null 2>&1 &
    pids+=($!)
}
http_port=$(free_port)
tinyproxy "$http_port"
http_password_port=$(free_port)
tinyproxy "$http_password_port" "BasicAuth me wordy"
socks_port=$(free_port)
microsocks -i 127.0.0.1 -p "$socks_port" >/dev/null 2>&1 &
pids+=($!)
socks_password_port=$(free_port)
microsocks -i 127.0.0.1 -p "$socks_password_port" -u me -P word \
    >/dev/null 2>&1 &
pids+=($!)
for port in "$plain_port" "$nginx_port" "$node_port" "$tls_proxy_port" \
    "$python_port" "$http_port" "$http_password_port" "$socks_port" \
    "$socks_password_port"; do
    wait_for_port "$port"
done

# ---- https by itself ----

nginx="https://localhost:$nginx_port/file"
for port in "$nginx_port" "$node_port" "$python_port"; do
    same "https://127.0.0.1:$port/file"
done
same "$nginx"
refused "issuer" SSL_CERT_FILE=/dev/null "$nginx"
refused "TLS" "https://127.0.0.1:$plain_port/file"

# ---- by proxies ----

# microsocks tries the first address of a name only, and servers here have the
# one of IPv4.
near=localhost
[[ $(getent ahosts localhost) == 127.* ]] || near=127.0.0.1
plain="http://127.0.0.1:$plain_port/file"
for proxy in "http://127.0.0.1:$http_port" \
    "http://me:wordy@127.0.0.1:$http_password_port" \
    "socks5://127.0.0.1:$socks_port" \
    "socks5h://127.0.0.1:$socks_port" \
    "socks5h://me:word@127.0.0.1:$socks_password_port"; do
    same all_proxy="$proxy" "$plain"
    for port in "$nginx_port" "$node_port" "$python_port"; do
        same all_proxy="$proxy" "https://$near:$port/file"
    done
done
for port in "$nginx_port" "$node_port" "$python_port"; do
    same https_proxy="https://localhost:$tls_proxy_port" \
        "https://localhost:$port/file"
done
same http_proxy="127.0.0.1:1" no_proxy="127.0.0.0/8" "$plain"

# ---- and what they refuse ----

refused "the proxy wants to know who asks (407)" \
    https_proxy="http://127.0.0.1:$http_password_port" "$nginx"
refused "refused user name and password (407)\|CONNECT with 401" \
    https_proxy="http://me:wrong@127.0.0.1:$http_password_port" "$nginx"
refused "the proxy wants to know who asks" \
    https_proxy="socks5h://127.0.0.1:$socks_password_port" "$nginx"
refused "the proxy refused user name and password" \
    https_proxy="socks5h://me:wrong@127.0.0.1:$socks_password_port" "$nginx"
refused "the host refused the proxy's connection" \
    https_proxy="socks5h://127.0.0.1:$socks_port" "https://127.0.0.1:1/"
refused "the proxy does not speak SOCKS5" \
    https_proxy="socks5h://127.0.0.1:$plain_port" "$nginx"
refused "the proxy answered CONNECT with 4\|the proxy closed" \
    https_proxy="http://127.0.0.1:$plain_port" "$nginx"
refused "by proxy https://127.0.0.1:$plain_port: .*TLS" \
    https_proxy="https://127.0.0.1:$plain_port" "$nginx"
echo "all as it should be"
