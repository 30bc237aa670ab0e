#!/usr/bin/env bash
#
# static.sh - curl against examples/files: it resumes, asks for ranges, has
# what it has confirmed, and gets compressed copies; while files change.

set -uo pipefail
# shellcheck source=tests/interop/common.bash
. "$(dirname "$0")/common.bash"
needs curl gzip

mkdir -p www/sub
head -c 5000000 /dev/urandom >www/large
seq 100000 >www/numbers.txt
gzip -k www/numbers.txt
echo '<h1>below</h1>' >www/sub/index.html
echo 'a name' >'www/ä & b.txt'
touch -d '2023-11-14 22:13:20 UTC' www/* www/sub/*
ln -s /etc/passwd www/passwd
serve log "$build/examples/files" www --listen 127.0.0.1:0

fetch() { curl -sS --http1.1 --max-time 20 "$@"; }
status() { fetch -o /dev/null -w '%{http_code}' "$@"; }

whole() { fetch -o got "$url/large" && cmp got www/large; }
resumed() {
    head -c 1234567 www/large >part
    fetch -C - -o part -w '%{http_code} %{size_download}' "$url/large" &&
        cmp part www/large
}
resumed_at_the_end() {
    cp www/large part
    fetch -C - -o part -w '%{http_code}' "$url/large"
    cmp part www/large
}
ranges() { # RANGE FILE-MADE-BY-US
    fetch -r "$1" -o got "$url/large" && cmp got "$2"
}
compressed() {
    fetch --compressed -o got -w '%{size_download}' "$url/numbers.txt" |
        grep -qx "$(stat -c %s www/numbers.txt.gz)" && cmp got www/numbers.txt
}
etag_saved_and_compared() {
    fetch --etag-save tag -o /dev/null "$url/large" &&
        status --etag-compare tag "$url/large"
}
newer_than() { status -z "$1" "$url/large"; }
parts() { # how many a reply of several ranges has
    fetch -r 0-9,1000000-1000009,-10 "$url/large" | grep -ac '^Content-Range: bytes '
}
changed() {
    echo new >www/changing.txt
    fetch "$url/changing.txt"
    echo newer >www/changing.txt
    fetch "$url/changing.txt"
    rm www/changing.txt
    status "$url/changing.txt"
}
# Many at once, while the file is replaced again and again: each gets one whole.
replaced_meanwhile() {
    head -c 3000000 /dev/zero >www/flip
    for i in $(seq 30); do
        head -c 3000000 /dev/zero | tr '\0' "$((i % 10))" >flip.new
        mv flip.new www/flip
    done &
    local writer=$!
    for i in $(seq 20); do
        fetch -o "flip.$i" "$url/flip" || echo "failed"
        [ "$(tr -s '\0-9' <"flip.$i" | tr '\0' z | wc -c)" -eq 1 ] || echo mixed
    done
    wait "$writer"
}
slowly() {
    fetch --limit-rate 5M -o got "$url/large" && cmp got www/large
}

tail -c +1001 www/large | head -c 1000 >middle
tail -c 500 www/large >end
expect "a large file comes whole" '' whole
expect "a download is resumed" '206 3765433' resumed
expect "a download that was complete stays so" 416 resumed_at_the_end
expect "a range is what it says" '' ranges 1000-1999 middle
expect "a suffix is the end" '' ranges -500 end
expect "several ranges come in parts" 3 parts
expect "a compressed copy is sent and decoded" '' compressed
expect "what has not changed is not sent again" 304 etag_saved_and_compared
expect "nor by its date" 304 newer_than '1 Jan 2024'
expect "what is newer is sent" 200 newer_than '1 Jan 2020'
expect "a change is seen at once" $'new\nnewer\n404' changed
expect "a replaced file is the old or the new one" '' replaced_meanwhile
expect "a slow client gets all of it" '' slowly
expect "a folder is shown by its index" '<h1>below</h1>' fetch "$url/sub/"
expect "its slash is added" '<h1>below</h1>' fetch -L "$url/sub"
expect_in "a folder without an index is listed" 'href="./numbers.txt"' \
    fetch "$url/"
expect "a name is found as it is listed" 'a name' \
    fetch "$url/%C3%A4%20%26%20b.txt"
expect "dots lead nowhere" 404 status --path-as-is -L "$url/../../etc/passwd"
expect "nor do encoded ones" 404 status --path-as-is \
    "$url/%2e%2e%2f%2e%2e%2fetc/passwd"
expect "nor does a link" 404 status "$url/passwd"
expect "HEAD tells the length" 5000000 bash -c \
    "curl -sSI --max-time 20 $url/large | tr -d '\r' |
        sed -n 's/^Content-Length: //p'"

# A folder that is not there is told at once.
expect_in "a folder that is missing is an error" 'No such file' \
    "$build/examples/files" none --listen 127.0.0.1:0
tally
