#!/usr/bin/env bash
#
# tls_crowd.sh - many connections over TLS: not one request of wrk and h2load
# fails, and after 10,000 handshakes the server holds no more memory and
# descriptors than after the first 2,000.

# shellcheck source=tests/interop/tls_common.bash
. "$(dirname "$0")/tls_common.bash"
for program in wrk h2load; do
    have $program || { echo "no $program"; exit 77; }
done
certificates() { make_ca ca 'Test CA' && issue site DNS:localhost,IP:127.0.0.1; }
prepare certificates
compile tls_target
# What was freed is not to be held back as a trap.
export ASAN_OPTIONS=${ASAN_OPTIONS:-}:quarantine_size_mb=1:thread_local_quarantine_size_kb=64
serve log ./tls_target site.pem
fresh=$(find "/proc/$pid/fd" -mindepth 1 | wc -l) # of one that nobody has asked

count() { # NAME
    curl -sS --cacert ca.pem --max-time 30 "$url/counts" |
        sed -n "s/.*\"$1\":\([0-9]*\).*/\1/p"
}
failures_of_wrk() { # OPTION...
    timeout 60 wrk -t1 -c32 -d1 --timeout 30s "$@" | grep -E 'Socket errors|Non-2xx|unable'
}
failures_of_h2load() {
    timeout 60 h2load --h1 -n 3000 -c 32 "$url/" |
        grep '^requests:' | grep -v ' 3000 succeeded, 0 failed'
}
expect "wrk sees no failure" '' failures_of_wrk "$url/"
expect "nor with large replies" '' failures_of_wrk "$url/bytes?n=200000"
expect "h2load sees no failure" '' failures_of_h2load

# Each of these connections has a handshake for a single request.
crowd() { # HANDSHAKES there have to be
    while [ "$(count handshakes)" -lt "$1" ]; do
        timeout 60 wrk -t1 -c8 -d1 -H 'Connection: close' "$url/" >wrk.log
        grep -q 'Non-2xx' wrk.log && cat wrk.log
    done
    for _ in $(seq 400); do # those that wrk had just begun
        [ "$(count open)" = 1 ] && break
        sleep 0.05
    done
}
resident() { awk '/^VmRSS/ { print $2 }' "/proc/$pid/status"; } # KiB
descriptors() { find "/proc/$pid/fd" -mindepth 1 | wc -l; }
# Those of the last question, too, are closed some time after its answer.
back_to() { # DESCRIPTORS
    for _ in $(seq 400); do
        [ "$(descriptors)" = "$1" ] && return
        sleep 0.05
    done
    descriptors
}

already=$(count handshakes)
expect "who comes for a single request is answered" '' \
    crowd $((already + 2000))
before=$(resident)
expect "10,000 are answered" '' crowd $((already + 12000))
expect "and their descriptors are closed" '' back_to "$fresh"
# A KiB for each would be 10,000. A sanitizer keeps books of its own, and finds
# by itself what is lost.
allowed=1024
grep -q '^EDDY_SANITIZE:STRING=.' "$build/CMakeCache.txt" && allowed=8192
grown=$(($(resident) - before))
if [ "$grown" -lt $allowed ]; then
    kept
else
    broken "they leave nothing in memory" "$grown KiB more than before"
fi

kill "$pid"
wait "$pid"
expect "the server ends well" 0 echo $?
expect "nothing was an error to it" '' \
    grep -E 'ERROR|FATAL|Sanitizer|runtime error' log
tally
