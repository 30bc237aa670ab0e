#!/usr/bin/env bash
#
# deb.sh - the Debian packages: unpacked into a root of their own, the command
# runs, a program is built against the library, and systemd and logrotate
# understand what is theirs.

set -uo pipefail
# shellcheck source=tests/interop/common.bash
. "$(dirname "$0")/common.bash"
needs dpkg-deb dpkg-shlibdeps cc pkg-config
grep -q '^EDDY_SANITIZE:STRING=.' "$build/CMakeCache.txt" &&
    { echo "packages are of builds without sanitizers"; exit 77; }
[ -e "$build/libeddy.so" ] || fail "no library in $build"

"$source/packaging/deb.sh" "$build" debs >made 2>&1 || fail "$(cat made)"
version=$(sed -n 's/^#define ED_VERSION "\(.*\)"/\1/p' "$source/include/eddy/api.h")
for package in eddy eddy-wsgi libeddy0 libeddy-dev python3-eddy; do
    dpkg-deb -x debs/${package}_*.deb root || fail "$package cannot be unpacked"
    expect "$package is of this version" "$version" \
        dpkg-deb -f debs/${package}_*.deb Version
    dpkg-deb -R debs/${package}_*.deb "control-$package"
    expect "the sums of $package are right" '' \
        sh -c "cd control-$package && md5sum --quiet -c DEBIAN/md5sums"
done
expect_in "it depends on what it is linked with" libseccomp2 \
    dpkg-deb -f debs/eddy_*.deb Depends
expect_in "the host of Python depends on it" libpython3 \
    dpkg-deb -f debs/eddy-wsgi_*.deb Depends
expect "rotation is configuration, and kept" /etc/logrotate.d/eddy \
    cat control-eddy/DEBIAN/conffiles
expect "libraries are made known" 'activate-noawait ldconfig' \
    cat control-libeddy0/DEBIAN/triggers
if unshare --mount true 2>/dev/null; then
    mkdir fake
    printf '#!/bin/sh\necho "$@"\n' >fake/systemctl
    chmod 755 fake/systemctl
    with_systemd() {
        # shellcheck disable=SC2016 # of the shell in there
        PATH=$work/fake:$PATH unshare --mount sh -c 'mount -t tmpfs none /run &&
            mkdir -p /run/systemd/system && "$1" configure' sh "$work/$1"
    }
    for script in postinst postrm; do
        expect "systemd is told of new units by $script" daemon-reload \
            with_systemd "control-eddy/DEBIAN/$script"
        [ -d /run/systemd/system ] ||
            expect "where it does not run, $script does nothing" '' \
                env "PATH=$work/fake:$PATH" "control-eddy/DEBIAN/$script" configure
    done
fi
expect "all belongs to root" '' sh -c \
    "for d in debs/*.deb; do dpkg-deb -c \$d; done | grep -v ' root/root '"

# ---- what is inside works ----

expect_in "the command runs" "$version" root/usr/bin/eddy version
# Reports of blocked loops live by it.
expect "it has its symbol table" 1 sh -c "nm root/usr/bin/eddy | grep -ci ' t main\$'"
expect "and no debug information" '' \
    sh -c 'readelf -S root/usr/bin/eddy | grep debug_info'
expect_in "and the command does not" 0 \
    sh -c 'dpkg-deb -f debs/eddy_*.deb Depends | grep -c libpython'
serve log root/usr/bin/eddy serve --wsgi wsgi_apps:app --workers 1 \
    --python-path "$source/tests/interop" --listen 127.0.0.1:0 --ctl none
wait_for_text log 'is ready' >/dev/null
expect "the command finds the host" slept curl -s "$url/sleeping?0"
kill "$pid"
wait "$pid"
pids=()
pc=$(find root -name eddy.pc -printf '%h')
consumer() {
    local flags
    flags=$(PKG_CONFIG_PATH=$pc pkg-config --cflags --libs eddy) || return
    # shellcheck disable=SC2086 # flags are words
    cc -std=c17 "$source/tests/package/consumer.c" $flags -o consumer &&
        LD_LIBRARY_PATH=$pc/.. ./consumer && echo built
}
expect "a program is built against the library" built consumer
expect_in "by the one in the package" "$work/root/usr" \
    sh -c "LD_LIBRARY_PATH=$work/$pc/.. ldd consumer"
expect "the Python module finds it" "$version" env \
    LD_LIBRARY_PATH="$pc/.." PYTHONPATH=root/usr/lib/python3/dist-packages \
    /usr/bin/python3 -c 'import eddy; print(eddy.__version__)'
for page in "$source"/docs/man/*.1; do
    expect "the page $(basename "$page") is there" '' \
        gzip -t "root/usr/share/man/man1/$(basename "$page").gz"
done
sed -i "s|/usr/bin/eddy|$work/root/usr/bin/eddy|" \
    root/usr/lib/systemd/system/eddy@.service
if have systemd-analyze; then
    cp root/usr/lib/systemd/system/eddy@.service eddy@app.service
    cp root/usr/lib/systemd/system/eddy@.socket eddy@app.socket
    verified() { # the machine's own units may have faults
        systemd-analyze --man=no verify "$work/$1" 2>&1 | grep -F eddy@
    }
    expect "systemd understands the service" '' verified eddy@app.service
    expect "and the socket" '' verified eddy@app.socket
    sed -i 's/^KillMode=.*/KillMode=kindly/' eddy@app.service
    expect_in "and would say what it does not" 'kill mode' verified eddy@app.service
fi
# Of the unit's file, whatever the version of systemd here.
unit=root/usr/lib/systemd/system/eddy@.service
of_unit() { sed -n "s/^$1=//p" "$unit"; }
expect "settings that cannot be used end it as the unit has it" \
    "$(of_unit RestartPreventExitStatus)" \
    sh -c 'root/usr/bin/eddy serve none.so --listen 127.0.0.1:0 2>/dev/null; echo $?'
expect "temporary files are where a sandbox allows them" \
    "TMPDIR=/var/cache/$(of_unit CacheDirectory)" of_unit Environment
if have logrotate; then
    expect_in "logrotate understands its file" 'considering log' sh -c \
        "mkdir -p logs && touch logs/a.log && chmod 644 root/etc/logrotate.d/eddy &&
         sed 's|/var/log/eddy/\*|$work/logs|' root/etc/logrotate.d/eddy >rotate &&
         chmod 644 rotate && logrotate -d rotate 2>&1"
    expect "without a word of error" 0 sh -c 'logrotate -d rotate 2>&1 | grep -c error:'
fi

# ---- the container's file, which is not built here ----

needed() {
    sed -n "/^BUILD_NEEDS=/,/^'/p" "$source/dev" | awk 'NF == 2 { sub(/\?$/, "", $1); print $1 }' | sort
}
installed() {
    sed -n '/AS build/,/^WORKDIR/p' "$source/packaging/Containerfile" |
        tr -s ' \\' '\n' | grep -E '^[a-z0-9]+(-[a-z0-9]+)*$' |
        grep -vxE 'debian|build|update|apt-get|install|dpkg-dev|noninteractive' | sort
}
expect "the container installs what a build needs" '' \
    diff <(needed) <(installed)
odd_lines() {
    tr '\n' '\r' <"$source/packaging/Containerfile" | sed 's/\\\r/ /g' | tr '\r' '\n' | grep -vE \
        '^(#|$|(FROM|RUN|WORKDIR|COPY|USER|EXPOSE|STOPSIGNAL|ENTRYPOINT|CMD) )'
}
expect "all lines of its file begin well" '' odd_lines
expect "it does not run as root" 'USER 10001:10001' \
    grep '^USER' "$source/packaging/Containerfile"
expect_in "but as a user of its own" 'useradd --uid 10001 --gid 10001' \
    cat "$source/packaging/Containerfile"
expect_in "and as a group that is there" 'groupadd --gid 10001' \
    cat "$source/packaging/Containerfile"
# A build of this tree would be taken for one of the container's.
left_out() { # as .gitignore has it: below all directories, unless it says /
    sed 's|^\([^/]\)|**/\1|; s|^/||; s|/$||' "$source/.gitignore" | LC_ALL=C sort
}
expect "it is not built from what was built here" '' \
    diff <(left_out) <(grep -vxE '#.*|\.git' "$source/.dockerignore" | LC_ALL=C sort)
tally
