# patch_common.bash - running programs with the patch; read by its tests.

: "${build:?comes from common.bash}"

# With libeddy-patch.so preloaded. A sanitizer's library must come first.
patched() { # COMMAND...
    local first=
    if grep -q '^EDDY_SANITIZE:STRING=.*address' "$build/CMakeCache.txt"; then
        first="$(cc -print-file-name=libasan.so) "
    fi
    env LD_PRELOAD="$first$build/libeddy-patch.so" "$@"
}

sanitized() { grep -q '^EDDY_SANITIZE:STRING=.' "$build/CMakeCache.txt"; }
