# tls_common.bash - what the tests with foreign TLS share; read by them.
#
# Certificates are of a test CA (ca.pem) that nobody else trusts.

set -uo pipefail
# shellcheck source=tests/interop/common.bash
. "$(dirname "${BASH_SOURCE[0]}")/common.bash"
needs openssl curl python3
unset SSL_CERT_FILE SSL_CERT_DIR
umask 077


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
