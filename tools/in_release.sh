#!/usr/bin/env bash
#
# in_release.sh - another release of Debian, to try this tree in. As root:
#
#     tools/in_release.sh make DIR RELEASE           its root, by debootstrap
#     tools/in_release.sh run DIR COMMAND [ARG...]   ./dev COMMAND in there
#
# DIR/root is the root, and DIR/build is what the tree's build/ is in there. The
# tree itself is mounted and not copied: what is tried is what lies here. Mounts
# and processes are in namespaces of their own and end with the command, however
# it ends, so DIR may be removed at any time between. It is no sandbox: network
# and devices are the machine's.

set -euo pipefail
tree=$(readlink -f "$(dirname "$0")/..")

# Where an administrator puts the CAs of a network that has its own, such as a
# company's; ca-certificates, once installed in a root, adds them to its bundle.
own_cas=/usr/local/share/ca-certificates
ca_bundle=/etc/ssl/certs/ca-certificates.crt

# A root half made is made anew.
make_root() { # DIR RELEASE
    [[ ! -e $1/made ]] || return 0
    rm -rf "$1/root"
    debootstrap --variant=minbase "$2" "$1/root"
    cp /etc/hosts "$1/root/etc/hosts" # where localhost is
    if has_own_cas; then
        mkdir -p "$1/root$own_cas"
        cp -rL "$own_cas/." "$1/root$own_cas"
    fi
    mkdir "$1/root/eddy"
    touch "$1/made"
}

has_own_cas() { compgen -G "$own_cas/*.crt" >/dev/null; }

run() { # DIR COMMAND [ARG...]
    exec unshare --mount --pid --fork --kill-child "$0" enter "$@"
}

# Of the caller's environment goes along what concerns the work.
enter() { # DIR COMMAND [ARG...]; in the namespaces
    local root=$1/root name
    local -a kept=(PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LANG=C.UTF-8)
    for name in JOBS TERM NO_COLOR http_proxy https_proxy; do
        [[ -z ${!name:-} ]] || kept+=("$name=${!name}")
    done
    # npm brings CAs along and asks no bundle by itself.
    if has_own_cas; then kept+=("npm_config_cafile=$ca_bundle"); fi
    mount --bind "$tree" "$root/eddy"
    mount --bind "$1/build" "$root/eddy/build"
    mount -t proc proc "$root/proc"
    mount --rbind /dev "$root/dev"
    mount --rbind /sys "$root/sys"
    cp -L /etc/resolv.conf "$root/etc/resolv.conf"
    shift
    exec chroot "$root" /usr/bin/env -i "${kept[@]}" /eddy/dev "$@"
}

: "${3:?usage: in_release.sh make DIR RELEASE | run DIR COMMAND [ARG...]}"
mkdir -p "$2/build"
dir=$(readlink -f "$2")
case $1 in
make) make_root "$dir" "$3" ;;
run) run "$dir" "${@:3}" ;;
enter) enter "$dir" "${@:3}" ;;
esac
