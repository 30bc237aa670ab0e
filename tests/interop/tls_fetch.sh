#!/usr/bin/env bash
#
# tls_fetch.sh - eddy fetch and the servers people run over TLS: nginx, node,
# Python and openssl s_server. Each version, names, certificates of clients,
# bodies both ways; and what is wrong with a certificate is said in clear words.
# A server that is not installed is left out.

# shellcheck source=tests/interop/tls_common.bash
. "$(dirname "$0")/tls_common.bash"
eddy=$build/eddy

# One for each thing that can be wrong; the name tells it.
certificates() {
    make_ca ca 'Test CA' && make_ca other_ca 'Other CA' || return
    issue good DNS:good.test,DNS:on.test,DNS:optional.test,IP:127.0.0.1
    issue second DNS:second.test
    issue wide 'DNS:*.wide.test'
    issue rsa DNS:rsa.test serverAuth rsa
    issue expired DNS:expired.test serverAuth ec -20 -10
    issue future DNS:future.test serverAuth ec +5 +20
    issue nameless ''
    issue client '' clientAuth
    issue purpose DNS:purpose.test clientAuth
    new_key self.key
    openssl req -x509 -key self.key -subj '/CN=self' -days 10 -out self.crt \
        -addext subjectAltName=DNS:self.test
    cp ca.pem mine.pem && cp ca.key mine.key
    cp other_ca.pem ca.pem && cp other_ca.key ca.key
    issue unknown DNS:unknown.test && issue stranger '' clientAuth
    cp mine.pem ca.pem && cp mine.key ca.key
    : >empty
    openssl ocsp -index empty -CA ca.pem -rsigner ca.pem -rkey ca.key \
        -issuer ca.pem -cert good.crt -ndays 1 -respout good.ocsp
}
prepare certificates
mkdir -m 755 www
echo hello >www/hello.txt
head -c 5000000 /dev/urandom >www/large.bin
chmod 644 www/*

# What is said about a fetch of a URL at a port of this host.
fetch() { # URL OPTION...
    local authority=${1#https://}
    authority=${authority%%/*}
    timeout 60 "$eddy" fetch --cacert ca.pem --timeout 30 \
        --resolve "$authority:127.0.0.1" "$@" 2>&1
}
body() { # URL OPTION...
    rm -f got
    fetch "$@" -o got >said || cat said
    cmp got www/large.bin
}
# Of the second of two fetches, one after the other.
second() { # PROPERTY URL OPTION...
    fetch "$2" "$2" --limit 1 --json "${@:3}" | grep -a "\"$1\":" | tail -n 1
}
echoed() { # URL OPTION...
    rm -f got
    fetch "$@" -d @www/large.bin -o got >said || cat said
    cmp got www/large.bin
}
status() { fetch "$@" | sed -n 's/^ *\([0-9][0-9][0-9]\) .*/\1/p'; }
wrong() { # PROMISE TEXT URL OPTION...
    local said status
    said=$(fetch "${@:3}")
    status=$?
    if [[ $status == 1 && $said == *failed*"$3"*"$2"* ]]; then
        kept
    else
        broken "$1" "status $status, not 1 with \"$3 ... $2\": $said"
    fi
}

if have nginx; then
    plain=$(free_port) clear=$(free_port) old=$(free_port) new=$(free_port)
    block() { # PORT NAME CERTIFICATE [MORE]
        cat <<CONF
    server {
        listen 127.0.0.1:$1 ssl;
        server_name $2;
        ssl_certificate $work/$3.crt;
        ssl_certificate_key $work/$3.key;
        root $work/www;
        ${4:-}
    }
CONF
    }
    {
        echo "daemon off; pid $work/nginx.pid; error_log $work/nginx.log;"
        echo "events {} http { access_log off;"
        for kind in client_body proxy fastcgi uwsgi scgi; do
            echo "${kind}_temp_path $work/$kind;"
        done
        block "$plain" good.test good "ssl_stapling on;
            ssl_stapling_file $work/good.ocsp;"
        for name in second rsa expired future self unknown nameless purpose
        do
            block "$plain" $name.test $name
        done
        block "$plain" '*.wide.test' wide
        for need in on optional; do
            block "$plain" $need.test good "ssl_verify_client $need;
            ssl_client_certificate $work/ca.pem;
            add_header X-Client \$ssl_client_verify:\$ssl_client_s_dn always;"
        done
        echo "server { listen 127.0.0.1:$clear; }"
        block "$old" good.test good 'ssl_protocols TLSv1.2;'
        block "$new" good.test good 'ssl_protocols TLSv1.3;'
        echo '}'
    } >nginx.conf
    nginx -c "$work/nginx.conf" -e "$work/nginx.log" 2>nginx.out &
    pids+=($!)
    wait_for_port "$plain"

    here=https://good.test:$plain/hello.txt
    expect "nginx sends a large body" '' \
        body "https://good.test:$plain/large.bin"
    expect_in "and by TLS 1.2 only" TLSv1.2, \
        fetch "https://good.test:$old/hello.txt"
    expect_in "and by TLS 1.3 only" TLSv1.3, \
        fetch "https://good.test:$new/hello.txt"
    for at in "$old" "$new"; do
        expect "a large body comes, whatever the version" '' \
            body "https://good.test:$at/large.bin"
        expect_in "its connections are kept" '"reused": true' \
            second reused "https://good.test:$at/hello.txt"
        expect_in "its sessions are resumed" '"resumed": true' \
            second resumed "https://good.test:$at/hello.txt" \
            -H 'Connection: close'
    done
    expect_in "the end of its certificate is told" 'certificate until 20' \
        fetch "$here"
    expect "the name chooses the certificate" '.*"CN=second".*' \
        fetch "https://second.test:$plain/hello.txt" --json
    expect "one of RSA will do" 200 status "https://rsa.test:$plain/hello.txt"
    expect "an asterisk is a label" 200 \
        status "https://a.wide.test:$plain/hello.txt"
    expect "an address is a name" 200 \
        status "https://127.0.0.1:$plain/hello.txt"
    while read -r name text; do
        wrong "$name.test is refused" "certificate $text" \
            "https://$name.test:$plain/hello.txt"
    done <<'END'
a.b.wide is for *.wide.test, not for a.b.wide.test
other is for good.test, on.test, optional.test and 1 more, not for other.test
expired of expired.test expired on 2
future of future.test is not valid before 2
self of self.test is signed by itself only
unknown of unknown.test is of an unknown issuer, Other CA
nameless is for no host, not for nameless.test
purpose of purpose.test is not for servers
END
    expect "who wants none of that gets it" 200 \
        status "https://expired.test:$plain/hello.txt" -k
    expect "another CA is trusted if it is told" 200 \
        status "https://unknown.test:$plain/hello.txt" --cacert other_ca.pem
    pin=$(openssl pkey -in self.key -pubout -outform DER |
        openssl dgst -sha256 -binary | openssl base64)
    expect "its own key is enough for one signed by itself" 200 \
        status "https://self.test:$plain/hello.txt" -k \
        --pinnedpubkey "sha256//$pin"
    wrong "but not another's" 'none of those pinned' "$here" -k \
        --pinnedpubkey "sha256//$pin"

    expect "a certificate is shown to who asks" 200 \
        status "https://on.test:$plain/hello.txt" --cert client.pem
    # nginx ends the handshake well, and then answers 400.
    expect "without one there is no page" 400 \
        status "https://on.test:$plain/hello.txt"
    expect "nor with a stranger's" 400 \
        status "https://on.test:$plain/hello.txt" --cert stranger.pem
    expect "who need not show one need not" 200 \
        status "https://optional.test:$plain/hello.txt"
    wrong "who has no TLS is told" 'the peer speaks no TLS' \
        "https://127.0.0.1:$clear/hello.txt"
fi

if have node; then
    cat >server.js <<'JS'
const fs = require('fs'), https = require('https');
const file = (name) => fs.readFileSync(name);
// With these options, an echo at any port; prints it.
function serve(options) {
    const server = https.createServer({key: file('good.key'),
        cert: file('good.crt'), ...options}, (req, res) => {
        const peer = req.socket.getPeerCertificate();
        res.setHeader('X-Client', peer && peer.subject ? peer.subject.CN : '-');
        req.pipe(res);
    }).listen(0, '127.0.0.1', () => console.log(server.address().port));
    return server;
}
serve({}).on('listening', () =>
    serve({requestCert: true, ca: file('ca.pem')}).on('listening', () =>
        serve({maxVersion: 'TLSv1.2'})));
JS
    node server.js >node.ports 2>node.log &
    pids+=($!)
    for _ in $(seq 400); do
        [ "$(grep -cs . node.ports)" = 3 ] && break
        sleep 0.05
    done
    { read -r any; read -r strict; read -r old; } <node.ports
    for at in "$any" "$old"; do
        expect "node gives back what was sent" '' \
            echoed "https://good.test:$at/"
        expect_in "its connections are kept" '"reused": true' \
            second reused "https://good.test:$at/"
        expect_in "its sessions are resumed" '"resumed": true' \
            second resumed "https://good.test:$at/" -H 'Connection: close'
    done
    expect "node takes our certificate" 200 \
        status "https://good.test:$strict/" --cert client.pem
    wrong "and wants one" 'alert' "https://good.test:$strict/"
    # It ends the connection without an alert.
    wrong "of its CA" 'closed before a response' \
        "https://good.test:$strict/" --cert stranger.pem
fi

cat >server.py <<'PYTHON'
import functools
import http.server
import ssl

server = http.server.ThreadingHTTPServer(
    ("127.0.0.1", 0), functools.partial(http.server.SimpleHTTPRequestHandler,
                                        directory="www"))
context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
context.load_cert_chain("good.pem")
server.socket = context.wrap_socket(server.socket, server_side=True)
print(server.server_port, flush=True)
server.serve_forever()
PYTHON
python3 server.py >python.port 2>python.log &
pids+=($!)
python=$!
until [ -s python.port ]; do
    kill -0 $python || exit 1
    sleep 0.05
done
expect "Python sends a large body" '' \
    body "https://good.test:$(<python.port)/large.bin"

s_server() { # OPTION...: sets port
    port=$(free_port)
    openssl s_server -accept "127.0.0.1:$port" -cert good.crt -key good.key \
        -www "$@" >s_server.log 2>&1 &
    pids+=($!)
    wait_for_port "$port"
}
s_server
for _ in 1 2 3; do
    expect "openssl s_server shows its page" 200 status "https://good.test:$port/"
done
expect "and resumes" '.*"resumed": true.*' \
    second resumed "https://good.test:$port/"
for version in 1_2 1_3; do
    s_server "-tls$version" -Verify 1 -CAfile ca.pem -verify_return_error
    expect "it takes our certificate by TLS $version" 200 \
        status "https://good.test:$port/" --cert client.pem
    wrong "and no other by TLS $version" 'unknown CA' \
        "https://good.test:$port/" --cert stranger.pem
    wrong "nor none by TLS $version" alert "https://good.test:$port/"
done
tally
