#!/usr/bin/env bash
#
# wsgi.sh - `eddy serve --wsgi` keeps PEP 3333 to the letter, whatever clients
# and applications do.

set -uo pipefail
# shellcheck source=tests/interop/wsgi_common.bash
. "$(dirname "$0")/wsgi_common.bash"

apps=$source/tests/interop
wsgi good 1 --wsgi wsgi_apps:validated --python-path "$apps" -t 2
good=$pid good_port=$port
# In which requests may wait for as long as a busy machine takes.
wsgi wild 1 --wsgi 'wsgi_apps:make()' --python-path "$apps" -t 2 \
    --max-body 16M --queue-timeout 60s
timeout 120 python3 "$apps/wsgi_rules.py" "$good_port" "$port" >rules 2>&1
expect_in "the rules hold" ', 0 failed' cat rules
expect_in "the validator finds nothing" '' cat good
expect "not a word of it" 0 grep -c AssertionError good
expect_in "what an application writes is in the log" \
    'a line of errors é€' cat good
expect "with the request's id" '.*ERROR \[[0-9a-f]+\] and more' \
    grep 'and more' good
expect "an exception is in the log, under the request's id" \
    '.*ERROR \[[0-9a-f]+\] ValueError: boom' grep 'ValueError: boom' wild
expect_in "and where it was raised" 'in boom' cat wild
id=$(ask "$url/boom" | sed -n 's/^Request //p')
expect_in "by the id that the client is told" 'ValueError: boom' \
    grep "\[$id\]" wild
ask "$url/nul" >/dev/null
expect "a line goes on behind a NUL" '.*before.*x00behind' grep 'before' wild
expect_in "a forked process that comes back is told of" \
    'a process that the application has forked ends' cat wild
quit "$good"
quit "$pid"
pids=()

# ---- how it is told what to serve ----

wsgi named 1 --wsgi wsgi_apps:holder.inner --python-path "$apps" \
    --script-name /shop --static "/files=$apps" -t 1 \
    --trusted-proxies 127.0.0.0/8
expect_in "a name may have dots" slept ask "$url/shop/sleeping?0"
expect_in "the prefix is cut off the path" "PATH_INFO='/environ'" \
    ask "$url/shop/environ"
expect_in "and told" "SCRIPT_NAME='/shop'" ask "$url/shop/environ"
expect "what is not below it is not there" 404 \
    ask -o /dev/null -w '%{http_code}' "$url/environ"
expect "nor what only begins like it" 404 \
    ask -o /dev/null -w '%{http_code}' "$url/shopping"
ask "$url/files/wsgi_apps.py" >got
expect "files are served" '' cmp got "$apps/wsgi_apps.py"
expect_in "one thread says so" "wsgi.multithread=False" ask "$url/shop/environ"
expect_in "and one worker" "wsgi.multiprocess=False" ask "$url/shop/environ"
ask -H 'X-Forwarded-For: 192.0.2.7' -H 'X-Forwarded-Proto: https' \
    -H 'X-Forwarded-Host: shop.example' "$url/shop/environ" >told
expect_in "a trusted proxy tells the client" "REMOTE_ADDR='192.0.2.7'" cat told
expect_in "the scheme" "wsgi.url_scheme='https'" cat told
expect_in "and the host" "HTTP_HOST='shop.example'" cat told
expect_in "with its port" "SERVER_PORT='443'" cat told
expect "a long stream" 65536000 sh -c "curl -s $url/shop/many_chunks | wc -c"
expect "of which no more is kept than waits for the client" '[0-9]{1,2}' \
    ask "$url/shop/most_chunks"
quit "$pid"
pids=()

if [ -e /proc/net/if_inet6 ]; then
    wsgi both 1 --wsgi wsgi_apps:app --python-path "$apps" -t 1 \
        --listen '[::]:0'
    port=$(wait_for_text both 'http://\[::\]:[0-9]*')
    expect_in "a client of IPv4 has an address of IPv4, wherever it came in" \
        "REMOTE_ADDR='127.0.0.1'" ask "http://127.0.0.1:${port##*:}/environ"
    quit "$pid"
    pids=()
fi

# Three slow readers, and only so much that may wait in files; then none.
cat >slow.py <<'READERS'
import socket, sys, time
port, path = int(sys.argv[1]), sys.argv[2].encode()
readers = [socket.create_connection(("127.0.0.1", port), 30) for _ in range(3)]
for s in readers:
    s.sendall(b"GET " + path + b" HTTP/1.0\r\n\r\n")
time.sleep(0.3)
for s in readers:
    raw = bytearray()
    while piece := s.recv(1 << 20):
        raw += piece
    body = raw.partition(b"\r\n\r\n")[2]
    print(body == b"".join(b"%07d\n" % n for n in range(1 << 21)))
READERS
# How many chunks of a byte are made ahead of a reader who takes none: 6 bytes on
# the wire each, of which 4 MiB wait in the kernel at most.
cat >tiny.py <<'READER'
import ast, socket, sys, time, urllib.request
port, made, before = int(sys.argv[1]), 0, -1
with socket.create_connection(("127.0.0.1", port), 20) as s:
    s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    s.sendall(b"GET /tiny HTTP/1.1\r\nHost: a\r\n\r\n")
    while made != before:
        time.sleep(1)
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/noted") as noted:
            made, before = ast.literal_eval(noted.read().decode())[2], made
print("few" if 0 < made < 1_000_000 else made)
READER
for most in 3M 0; do
    wsgi "most-$most" 1 --wsgi wsgi_apps:app --python-path "$apps" -t 3 \
        --reply-spool "$most"
    expect "replies come as a whole with reply-spool $most" \
        $'True\nTrue\nTrue' python3 slow.py "$port" /numbers
    [ "$most" = 0 ] && expect "small chunks take as much as large ones" few \
        python3 tiny.py "$port"
    worker=$(ask "$url/whoami" | cut -d' ' -f1)
    expect "and nothing is left of them" 0 \
        sh -c "ls -l /proc/$worker/fd | grep -c '#.*deleted'"
    quit "$pid"
    pids=()
done

mkdir spool
chmod 777 spool
wsgi jail 1 --wsgi wsgi_apps:app --python-path "$apps" -t 2 --sandbox \
    --sandbox-read /dev --spool-dir spool
head -c 700000 /dev/urandom >upload
ask --data-binary @upload "$url/echo" >got
expect "a sandbox leaves what it needs" '' cmp got upload
quit "$pid"
pids=()
mkdir cache
chmod 777 cache
CACHE_DIRECTORY=$work/cache TMPDIR=$work/cache \
    wsgi unit 1 --wsgi wsgi_apps:app --python-path "$apps" -t 2 --sandbox
ask --data-binary @upload "$url/echo" >got
expect "so does one of a unit, which has a directory for that" '' cmp got upload
quit "$pid"
pids=()

if have openssl; then
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes \
        -subj /CN=localhost -keyout key.pem -out cert.pem 2>/dev/null
    wsgi tls 1 --wsgi wsgi_apps:app --python-path "$apps" -t 1 \
        --certfile cert.pem --keyfile key.pem
    expect_in "TLS is https" "wsgi.url_scheme='https'" ask -k "$url/environ"
    ask -k "$url/served_file" >got
    tail -c +4 "$apps/wsgi_apps.py" >wanted
    expect "files go through it" '' cmp got wanted
    quit "$pid"
    pids=()
fi

refuse() { "$eddy" serve --listen 127.0.0.1:0 --ctl none --single "$@"; }
expect_in "a module that is not there" "No module named 'no_such'" \
    refuse --wsgi no_such:app
expect_in "a name that is not there" "no attribute 'none'" \
    refuse --wsgi wsgi_apps:none --python-path "$apps"
expect_in "what is no application" "cannot be called" \
    refuse --wsgi wsgi_apps:not_callable --python-path "$apps"
expect_in "a virtualenv that is none" "virtualenv '/nowhere'" \
    refuse --wsgi wsgi_apps:app --virtualenv /nowhere
mkdir -p other/bin other/lib/python3.99
ln -s /usr/bin/python3 other/bin/python3
expect_in "a virtualenv of another version" "other is not of Python 3" \
    refuse --wsgi wsgi_apps:app --python-path "$apps" --virtualenv other
expect_in "a map that is none" "is not like /static=./static" \
    refuse --wsgi wsgi_apps:app --static nonsense
expect_in "an application without --wsgi" "is --wsgi shop:app" \
    "$eddy" serve shop:app
touch libapp.so
expect_in "a module and an application at once" "not both" \
    refuse ./libapp.so --wsgi wsgi_apps:app
cp "$eddy" lonely
expect_in "without the host the package is named" "package eddy-wsgi" \
    ./lonely serve --wsgi wsgi_apps:app
expect "the command itself has no Python in it" 0 \
    sh -c "ldd $eddy | grep -c libpython"

tally
