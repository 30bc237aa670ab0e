#!/usr/bin/env bash
#
# completion.sh - what shells offer behind "eddy": each is asked as it asks
# itself, bash always, zsh and fish where they are.

set -uo pipefail
# shellcheck source=tests/interop/common.bash
. "$(dirname "$0")/common.bash"

completion=$source/packaging/completion
mkdir shared
touch shop.conf shop.so shared/x

# The last line is completed; an empty word is "".
bash_offers() { # FUNCTION WORD...
    # shellcheck disable=SC2016 # expanded by the other shell
    bash --norc -c '
        compopt() { :; }
        . "$1"/eddy.bash
        COMP_WORDS=("${@:3}")
        COMP_CWORD=$(($# - 3))
        COMPREPLY=()
        "$2"
        printf "%s\n" "${COMPREPLY[@]}"' x "$completion" "$@" | sort | xargs
}
fish_offers() { # WORDS
    fish --no-config -c "
        source $completion/eddy.fish
        complete -C '$1'" | cut -f 1 | sort | xargs
}
# A terminal of its own: zsh completes for nobody else.
zsh_offers() { # WORDS WANTED
    cat >zsh_offers.py <<'PYTHON'
import os, pty, re, select, sys, time

completion, words, wanted = sys.argv[1:]
pid, terminal = pty.fork()
if pid == 0:
    os.environ.update(TERM="dumb", PS1="", COLUMNS="200", LINES="100")
    os.execlp("zsh", "zsh", "-f", "-i")

def tell(text):
    os.write(terminal, text.encode())

def hear(*until, seconds=20):
    heard, end = "", time.monotonic() + seconds
    while (not set(until) <= set(heard.split())
           and time.monotonic() < end):
        if select.select([terminal], [], [], 0.1)[0]:
            heard += os.read(terminal, 65536).decode()
    return heard

tell(f"fpath=({completion} $fpath); autoload -Uz compinit; compinit -u -D;"
     " zstyle ':completion:*' list-separator '--'; LISTMAX=1000;"
     " bindkey -e; bindkey '^I' list-choices; echo rea''dy\n")
hear("ready")
tell(words)
hear(*words.split()[-1:])
tell("\t")
print(hear(*wanted.split()))
tell("\x15exit\n")
PYTHON
    python3 zsh_offers.py "$completion" "$1" "$2" | tr -s '\r\n' ' '
}

has() { # WORD WORDS...: each of the first, in the list of the second
    local word
    for word in $1; do
        [[ " $2 " == *" $word "* ]] || return 1
    done
}
offers() { # PROMISE WANTED GOT
    if has "$2" "$3"; then passed=$((passed + 1)); else
        echo "not kept: $1: $3"
        failed=$((failed + 1))
    fi
}
is() { # PROMISE WANTED GOT
    if [ "$2" = "$3" ]; then passed=$((passed + 1)); else
        echo "not kept: $1: $3"
        failed=$((failed + 1))
    fi
}

# ---- bash ----

is 'bash: commands' 'serve' "$(bash_offers _eddy eddy se)"
is 'bash: no other service' 'demo' "$(bash_offers _eddy eddy de)"
is 'bash: options' '--max-age' "$(bash_offers _eddy eddy serve --max-a)"
offers 'bash: all options' '--config --listen --help --check' \
    "$(bash_offers _eddy eddy serve shop.so -)"
is 'bash: files' 'shop.conf' "$(bash_offers _eddy eddy serve --config shop.c)"
is 'bash: directories' 'shared' "$(bash_offers _eddy eddy serve --chroot s)"
is 'bash: --name=value' 'shop.conf' \
    "$(bash_offers _eddy eddy serve --config = shop.c)"
is 'bash: levels' 'warn' "$(bash_offers _eddy eddy serve --log = wa)"
is 'bash: nothing is known' '' "$(bash_offers _eddy eddy serve --workers '')"
is 'bash: a module' 'shop.so' "$(bash_offers _eddy eddy serve shop.s)"
is 'bash: ctl' 'stack stats status stop' "$(bash_offers _eddy eddy ctl st)"
is 'bash: ctl behind options' 'reload reopen resume' \
    "$(bash_offers _eddy eddy ctl --socket x re)"
is 'bash: ctl log-level' 'info' "$(bash_offers _eddy eddy ctl log-level i)"
is 'bash: letters' 'shop.conf' "$(bash_offers _eddy eddy fetch -o shop.c)"
is 'bash: help' 'top' "$(bash_offers _eddy eddy help t)"
is 'bash: a program' '--max-age' "$(bash_offers _eddy_program shop --max-a)"

# ---- fish ----

if have fish; then
    offers 'fish: commands' 'serve ctl top' "$(fish_offers 'eddy ')"
    is 'fish: no files there' '' "$(fish_offers 'eddy shop')"
    is 'fish: options' '--max-age' "$(fish_offers 'eddy serve --max-ag')"
    is 'fish: of the command alone' '' "$(fish_offers 'eddy top --max-a')"
    is 'fish: files' 'shop.conf' "$(fish_offers 'eddy serve --config shop.c')"
    is 'fish: directories' 'shared/' "$(fish_offers 'eddy serve --chroot sh')"
    is 'fish: levels' 'warn' "$(fish_offers 'eddy serve --log wa')"
    is 'fish: ctl' 'drain' "$(fish_offers 'eddy ctl dr')"
fi

# ---- zsh ----

zsh_offer() { # PROMISE WANTED WORDS
    offers "zsh: $1" "$2" "$(zsh_offers "$3" "$2")"
}
if have zsh; then
    zsh_offer commands 'serve ctl top' 'eddy '
    zsh_offer options '--max-age --max-body' 'eddy serve --max-'
    zsh_offer files 'shop.conf shop.so' 'eddy serve --config sh'
    zsh_offer levels 'warn error' 'eddy serve --log '
    zsh_offer ctl 'stack stats' 'eddy ctl st'
    zsh_offer 'ctl log-level' 'warn error' 'eddy ctl log-level '
fi

tally
