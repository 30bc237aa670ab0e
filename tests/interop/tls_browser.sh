#!/usr/bin/env bash
#
# tls_browser.sh - Chromium and a server over TLS: it loads a page, asks for
# many things at once over few connections, resumes sessions, sends much, and
# gives up what never ends, of which nothing is left on the server.

# shellcheck source=tests/interop/tls_common.bash
. "$(dirname "$0")/tls_common.bash"
certificates() { make_ca ca 'Test CA' && issue site DNS:localhost,IP:127.0.0.1; }
prepare certificates
compile tls_target
serve log ./tls_target site.pem 500 # it has to come back

# Chromium trusts what a database of its user has, if there is a tool to make
# one.
mkdir -p home/.pki/nssdb
trusting=()
if have certutil; then
    prepare certutil -d sql:home/.pki/nssdb -N --empty-password
    prepare certutil -d sql:home/.pki/nssdb -A -t C,, -n test -i ca.pem
else
    trusting=(--flag=--ignore-certificate-errors)
fi

cat >questions.js <<'JS'
(async () => {
    const info = async () => (await fetch('/info')).json();
    const many = await Promise.all([...Array(60)].map(info));
    for (let i = 0; i < 20; i++)
        many.push(await info());
    const few = new Set(many.map((it) => it.from)).size;
    for (let i = 0; i < 20 && !many.some((it) => it.resumed); i++) {
        await new Promise((done) => setTimeout(done, 1000));
        many.push(await info());
    }

    const sent = new Uint8Array(5000000).map((_, i) => i * i >> 7);
    const reply = await fetch('/echo', {method: 'POST', body: sent});
    const got = new Uint8Array(await reply.arrayBuffer());

    const given_up = await Promise.all([...Array(12)].map(async () => {
        const stop = new AbortController();
        const res = await fetch('/forever', {signal: stop.signal});
        await res.body.getReader().read();
        stop.abort();
        return res.status;
    }).concat([...Array(12)].map(async () => {
        const stop = new AbortController();
        setTimeout(() => stop.abort(), 100);
        return fetch('/forever', {signal: stop.signal})
            .then((res) => res.text()).catch((err) => err.name);
    })));
    return {
        title: document.title,
        secure: isSecureContext,
        versions: [...new Set(many.map((it) => it.version))].join(),
        protocols: [...new Set(many.map((it) => it.alpn))].join(),
        few: few < 20,
        resumed: many.some((it) => it.resumed),
        echoed: got.length == sent.length && got.every((it, i) => it == sent[i]),
        given_up: [...new Set(given_up)].join(),
        after: (await fetch('/info')).status,
    };
})()
JS
browse() { # OPTION...
    HOME=$work/home timeout 150 python3 \
        "$source/tests/interop/browser.py" "$@" "$url/"
}
for version in 1.3 1.2; do
    said=$(browse "${trusting[@]}" \
        "--flag=--ssl-version-max=tls$version" \
        --eval "$(<questions.js)" 2>errors)
    status=$?
    [ $status -eq 77 ] && exit 77
    expect "the page is without errors" 0 echo $status
    [ $status -eq 0 ] || cat errors
    for wanted in '"title": "target"' '"secure": true' '"few": true' \
        "\"versions\": \"TLSv$version\"" '"protocols": "http/1.1"' \
        '"resumed": true' '"echoed": true' '"given_up": "200,AbortError"' \
        '"after": 200'; do
        expect_in "Chromium of TLS $version sees $wanted" "$wanted" \
            echo "$said"
    done
done

# Nobody is left but who asks.
alone() {
    local counts
    for _ in $(seq 400); do
        counts=$(curl -sS --cacert ca.pem --max-time 30 "$url/counts")
        [[ $counts == *'"open":1,"in_flight":1'* ]] && return
        sleep 0.05
    done
    echo "$counts"
}
expect "nothing is left of the browser" '' alone
rm -r home
expect_in "without trust there is no page" ERR_CERT_AUTHORITY_INVALID \
    browse --eval 'document.documentElement.innerText'

kill "$pid"
wait "$pid"
expect "the server ends well" 0 echo $?
expect "nothing was an error to it" '' \
    grep -E 'ERROR|FATAL|Sanitizer|runtime error' log
tally
