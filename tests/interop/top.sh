#!/usr/bin/env bash
#
# top.sh - eddy top in a terminal (tmux): what it shows, its keys, other sizes of
# the terminal, a server that goes and comes back.

set -uo pipefail
# shellcheck source=tests/interop/ctl_common.bash
. "$(dirname "$0")/ctl_common.bash"
needs tmux

shop=$work/shop.ctl
terminal() { tmux -S "$work/tmux" -f /dev/null "$@"; }
screen() { terminal capture-pane -p -t top; }
press() { terminal send-keys -t top "$@"; }
# Waits until the screen has a text; shows the screen if it never has.
seen() { # TEXT
    local picture
    for _ in $(seq 200); do
        picture=$(screen)
        [[ $picture != *"$1"* ]] || return 0
        sleep 0.05
    done
    echo "$picture"
    return 1
}
shows() { # PROMISE TEXT
    local picture
    if picture=$(seen "$2"); then kept; else broken "$1" "$picture"; fi
}
hides() { # PROMISE TEXT
    if [[ $(screen) != *"$2"* ]]; then kept; else broken "$1" "$(screen)"; fi
}
told() { # PROMISE TEXT
    for _ in $(seq 100); do
        [ "$(tail -n 1 shop.told)" != "POST /v1/$2" ] || { kept; return; }
        sleep 0.05
    done
    broken "$1" "$(cat shop.told)"
}
longest_line() { screen | wc -L; }

expect_in "without a terminal it says so" "it needs a terminal" \
    "$eddy" top --socket "$shop"
look_into shop 200 "unix:$shop"
terminal new-session -d -s top -x 80 -y 24 \
    "LC_ALL=C.UTF-8 '$eddy' top --socket '$shop'; echo \"ended: \$?\"; cat"
trap 'terminal kill-server 2>/dev/null; finish' EXIT

# ---- what it shows, at 80 x 24 ----

shows "state and age" "shop  ready  up 3d 04h"
shows "requests a second as bars" "█"
shows "latencies" "p50 1.60 ms  p90 5.60 ms  p99 42.1 ms"
shows "what is under way" "running 8  in line 0  open 410"
shows "workers, with all columns" "MEMORY RUNNING   OPEN     P99 BLOCKED"
shows "the worker's figures" "48.2 MB       5    212 41.0 ms       1"
shows "the slowest requests, and what they wait for" \
    "  12.5 s      0 waiting GET    /reports/2026?format=pdf&fr… pg result"
shows "loops that stood still" "worker 4101 stood still for 412 ms in pdf_page < "
shows "the keys" "q quit  s sort"
hides "what could move the cursor" $'\e'
expect "no line is longer than the terminal" '[0-9]|[1-7][0-9]|80' longest_line

# ---- keys ----

press Enter
shows "enter shows the stack of the first request" \
    "#3  yearly_totals  shop/reports.c:64"
shows "and of what it has started" "fetch_rates, started at shop/reports.c:58"
press Down Down Down Down Down Down Down Down Down Down Down
shows "which can be scrolled" "#1  fetch_rates  shop/reports.c:33"
press Escape
shows "escape leads back" "WORKER     PID STATE"
press Down Enter
shows "a request that has ended is told" "no request of that id"
hides "and no stack is shown" "yearly_totals"
press r
shows "a reload is asked about" "y/n"
press n
shows "and is not, without consent" "q quit  s sort"
expect "of which the server hears nothing" ready cat shop.told
press r y
told "with consent it is" 'reload {"chain":false}'
shows "the server's answer is shown" "as told"
press + +
told "two presses are two workers" 'scale {"workers":4}'
shows "the new ones are shown" "     3    4104 ready"
press -
told "minus is one fewer" 'scale {"workers":3}'
press p
shows "p stops the picture" "paused"
rates() { screen | sed -n 3p; }
frozen=$(rates)
sleep 1
if [ "$(rates)" = "$frozen" ]; then kept; else broken "it stands still"; fi
press p
for _ in $(seq 100); do [ "$(rates)" != "$frozen" ] || sleep 0.05; done
if [ "$(rates)" != "$frozen" ]; then kept; else broken "it goes on"; fi
press s s
order() { screen | sed -n 's/^ *\([0-9]\) *41.* ready.*/\1/p' | tr -d '\n'; }
for _ in $(seq 100); do [[ $(order) != 012 ]] || sleep 0.05; done
if [[ $(order) != 012 ]]; then kept; else broken "s sorts" "$(screen)"; fi

# ---- other sizes ----

terminal resize-window -t top -x 140 -y 40
shows "a wider terminal shows more of a URL" "&to=2026-12-31"
terminal resize-window -t top -x 50 -y 12
shows "a small one what fits" "q s p r + - up/down enter"
expect "and no more" '[0-9]|[1-4][0-9]|50' longest_line
terminal resize-window -t top -x 80 -y 24
shows "and all again" "MEMORY RUNNING   OPEN     P99 BLOCKED"

# ---- a server that goes and comes ----

kill "$pid"
wait "$pid"
shows "a server that is gone is told" "the server is gone for"
look_into shop 200 "unix:$shop"
shows "and found again when it is back" "shop  ready  up"

press q
shows "q ends it well" "ended: 0"
tally
