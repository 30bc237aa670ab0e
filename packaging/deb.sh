#!/usr/bin/env bash
#
# deb.sh - makes Debian packages of a build: packaging/deb.sh BUILD OUTPUT.
#
# Takes what `cmake --install` installs, and what lies beside this file, apart
# into the packages of debian/control: the lines of debian/PACKAGE.install are
# patterns below the root, with @libdir@ as the build has it; those that end
# with '?' may match nothing. What no package wants is an error. Needs dpkg-dev,
# and no root.

set -euo pipefail
here=$(dirname "$(readlink -f "$0")")
build=$(readlink -f "${1:?usage: deb.sh BUILD OUTPUT}")
mkdir -p "${2:?usage: deb.sh BUILD OUTPUT}"
output=$(readlink -f "$2")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
umask 022
cd "$work"
ln -s "$here/debian" debian # where Debian's tools look for it

libdir=$(sed -n 's/^CMAKE_INSTALL_LIBDIR:[A-Z]*=//p' "$build/CMakeCache.txt")
SOURCE_DATE_EPOCH=$(dpkg-parsechangelog -S Timestamp)
export SOURCE_DATE_EPOCH # the same build makes the same package

install_all() {
    DESTDIR=$work/all cmake --install "$build" --prefix /usr >/dev/null
    install -Dm 644 -t all/usr/lib/systemd/system "$here"/systemd/*
    install -Dm 644 -t all/etc/logrotate.d "$here"/logrotate/*
    find all -path '*/man/man*' -type f -exec gzip -9n {} +
    # Debug information goes; the symbol table stays, for reports of blocked
    # loops and crashes.
    find all -type f \( -path '*/bin/*' -o -name '*.so' -o -name '*.so.*' \
        -o -name '*.a' \) -exec strip --strip-debug {} +
}

take() { # PACKAGE
    local pattern file
    while read -r pattern; do
        # shellcheck disable=SC2086 # patterns
        for file in all/${pattern%\?}; do
            if [[ ! -e $file && ! -L $file ]]; then
                [[ $pattern == *\? ]] && continue
                echo "deb.sh: $1: nothing is at $pattern" >&2
                exit 1
            fi
            mkdir -p "$1/$(dirname "${file#all/}")"
            mv "$file" "$1/${file#all/}"
        done
    done < <(sed "s|@libdir@|$libdir|" "debian/$1.install")
    install -Dm 644 debian/copyright "$1/usr/share/doc/$1/copyright"
    gzip -9nc debian/changelog >"$1/usr/share/doc/$1/changelog.gz"
}

nothing_is_left() {
    local left
    left=$(find all ! -type d)
    [[ -z $left ]] || {
        echo "deb.sh: in no package: $left" >&2
        exit 1
    }
}

describe() { # PACKAGE: DEBIAN/control and what else dpkg wants to know
    local -a programs
    mkdir "$1/DEBIAN"
    mapfile -t programs < <(find "$1/usr" -type f \
        \( -path '*/bin/*' -o -name '*.so' -o -name '*.so.*' \))
    : >substvars
    if ((${#programs[@]} > 0)); then
        # Our own library is among those of debian/shlibs.local.
        dpkg-shlibdeps -Tsubstvars --warnings=0 -l"libeddy0/usr/$libdir" \
            "${programs[@]/#/-e}"
    fi
    dpkg-gencontrol -p"$1" -P"$1" -Tsubstvars -ffiles -O"$1/DEBIAN/control"
    if [[ -d $1/etc ]]; then
        find "$1/etc" -type f -printf '/etc/%P\n' | sort >"$1/DEBIAN/conffiles"
    fi
    if compgen -G "$1/usr/$libdir/libeddy.so.*" >/dev/null; then
        echo 'activate-noawait ldconfig' >"$1/DEBIAN/triggers"
    fi
    if [[ -d $1/usr/lib/systemd/system ]]; then
        install -m 755 debian/units.sh "$1/DEBIAN/postinst"
        install -m 755 debian/units.sh "$1/DEBIAN/postrm"
    fi
    (cd "$1" && find . -path ./DEBIAN -prune -o -type f -printf '%P\0' |
        sort -z | xargs -0 md5sum) >"$1/DEBIAN/md5sums"
}

install_all
packages=$(sed -n 's/^Package: //p' debian/control)
for package in $packages; do take "$package"; done
nothing_is_left
for package in $packages; do
    describe "$package"
    dpkg-deb --root-owner-group --build "$package" "$output" >/dev/null
done
ls "$output"/*.deb
