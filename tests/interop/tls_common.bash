# tls_common.bash - what the tests with foreign TLS share; read by them.
#
# $source is the root of the sources. Goes into a folder of the test's own
# ($work), which vanishes with all it has started ($pids). Certificates are of a
# test CA (ca.pem) that nobody else trusts.

set -uo pipefail
build=${EDDY_BUILD:?names a build directory}
source=${EDDY_SOURCE:-$source}
for program in openssl curl python3; do
    command -v "$program" >/dev/null || { echo "no $program"; exit 77; }
done
unset http_proxy https_proxy all_proxy HTTPS_PROXY ALL_PROXY
unset SSL_CERT_FILE SSL_CERT_DIR
umask 077
work=$(mktemp -d)
chmod 755 "$work"
pids=()
passed=0
failed=0
finish() {
    [ ${#pids[@]} -eq 0 ] || kill "${pids[@]}" 2>/dev/null
    wait 2>/dev/null
    rm -rf "$work"
}
trap finish EXIT
cd "$work" || exit 1

have() { command -v "$1" >/dev/null; }

kept() { passed=$((passed + 1)); }
broken() { # PROMISE WHAT-CAME-INSTEAD
    failed=$((failed + 1))
    printf 'failed: %s\n%s\n' "$1" "$2"
}

# Functions bound their time themselves.
bounded() { # COMMAND...
    if [ "$(type -t "$1")" = function ]; then "$@"; else timeout 60 "$@"; fi
}
# All of a command's output matches a pattern; it has a text in it.
expect() { # PROMISE PATTERN COMMAND...
    local output
    output=$(bounded "${@:3}" 2>&1)
    if [[ $output =~ ^$2$ ]]; then kept; else broken "$1" "$output"; fi
}
expect_in() { # PROMISE TEXT COMMAND...
    local output
    output=$(bounded "${@:3}" 2>&1)
    if [[ $output == *"$2"* ]]; then
        kept
    else
        broken "$1" "no \"$2\" in: $output"
    fi
}

# The end of a test; its status is the script's.
tally() {
    echo "$passed promises kept, $failed broken"
    [ "$failed" -eq 0 ]
}

free_port() {
    python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0))
print(s.getsockname()[1])'
}
wait_for_port() { # PORT
    for _ in $(seq 400); do
        (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null && return
        sleep 0.05
    done
    echo "nobody listens on port $1"
    exit 1
}

# Compiles a program of this folder against the library, with its sanitizers.
compile() { # NAME
    local sanitize
    sanitize=$(sed -n 's/^EDDY_SANITIZE:STRING=//p' "$build/CMakeCache.txt")
    # shellcheck disable=SC2046 # flags are words
    cc -std=gnu17 -g -O1 ${sanitize:+"-fsanitize=$sanitize"} \
        "$source/tests/interop/$1.c" \
        $(PKG_CONFIG_PATH=$build pkg-config --static --cflags --libs eddy |
            sed 's/-leddy/-l:libeddy.a/') -o "$1" || exit 1
}

# shellcheck disable=SC2034 # used by those who read this
# Starts a server of ours that says where it listens: sets url, port and pid.
serve() { # LOG COMMAND...
    "${@:2}" >"$1" 2>&1 &
    pid=$!
    pids+=("$pid")
    until url=$(grep -os 'https://[0-9.:]*' "$1"); do
        kill -0 "$pid" || { cat "$1"; exit 1; }
        sleep 0.02
    done
    port=${url##*:}
}

new_key() { # FILE [ec|rsa]
    if [ "${2:-ec}" = rsa ]; then
        openssl genpkey -quiet -algorithm RSA -pkeyopt rsa_keygen_bits:2048 \
            -out "$1"
    else
        openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 \
            -out "$1"
    fi
}
# A certificate of the test CA: NAME.crt, NAME.key, and both in NAME.pem. Valid
# from yesterday for 30 days, as servers of ACME give them, unless told.
issue() { # NAME ALTERNATIVE-NAMES [USAGE [ec|rsa [FROM-DAY TO-DAY]]]
    new_key "$1.key" "${4:-ec}"
    openssl req -new -key "$1.key" -subj "/CN=$1" -out "$1.csr"
    {
        echo "basicConstraints=CA:FALSE"
        echo "keyUsage=critical,digitalSignature"
        echo "extendedKeyUsage=${3:-serverAuth}"
        [ -z "$2" ] || echo "subjectAltName=$2"
        echo "${more_extensions:-}"
    } >"$1.ext"
    mkdir -p issued
    [ -e issued/index ] || { : >issued/index; openssl rand -hex 16 >issued/serial; }
    openssl ca -batch -notext -config <(cat <<'CONF'
[ca]
default_ca = test
[test]
database = issued/index
serial = issued/serial
new_certs_dir = issued
default_md = sha256
policy = any
unique_subject = no
[any]
commonName = supplied
CONF
    ) -cert ca.pem -keyfile ca.key -in "$1.csr" -extfile "$1.ext" \
        -startdate "$(when "${5:--1}")" -enddate "$(when "${6:-30}")" \
        -out "$1.crt" || return
    cat "$1.crt" "$1.key" >"$1.pem"
}
when() { date -u -d "$1 days" +%Y%m%d%H%M%SZ; } # DAYS from now
make_ca() { # NAME SUBJECT
    new_key "$1.key"
    openssl req -x509 -key "$1.key" -subj "/CN=$2" -days 3000 \
        -addext keyUsage=critical,keyCertSign,cRLSign -out "$1.pem"
}
# Runs what makes certificates; its noise is shown only when it fails.
prepare() { # COMMAND...
    "$@" >setup.log 2>&1 || { cat setup.log; exit 1; }
}
