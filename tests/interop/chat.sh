#!/usr/bin/env bash
#
# chat.sh - the chat example: two processes, joined by a Redis, are one chat;
# its page shows in a browser what is said in the other process, and comes back
# when its server was restarted.

set -uo pipefail
# shellcheck source=tests/interop/common.bash
. "$(dirname "$0")/common.bash"
needs python3 redis-server curl

redis-server --port 0 --unixsocket "$work/redis" --save "" >redis.log 2>&1 &
pids+=("$!")
wait_for_text redis.log "[Rr]eady to accept" >/dev/null

chat() { # LOG ADDRESS
    serve "$1" "$build/examples/chat" --listen "$2" --redis "unix://$work/redis"
}
chat one.log "127.0.0.1:$(free_port)" # where it comes back to
one=$port
one_pid=$pid
chat two.log 127.0.0.1:0
two=$port

python3 "$source/tests/interop/chat.py" "$one" "$two" || fail "see above"

polled() { curl -s --max-time 30 "127.0.0.1:$two/poll/hall?after=none"; }
expect_in "a poll tells what was said in both" '"gap":true' polled
expect_in "a poll tells what was said in both" 'from one' polled
watched() {
    curl -sN --max-time 30 "127.0.0.1:$two/events/hall" >events &
    local stream=$!
    wait_for_text events 'from two'
    kill "$stream"
}
expect_in "a stream of events does, too" 'from two' watched
listed() { curl -s --max-time 30 "127.0.0.1:$two/rooms"; }
expect_in "rooms are listed" '"name":"hall"' listed
none() {
    curl -s -o none -w '%{http_code}' --max-time 30 "127.0.0.1:$two/poll/NO"
}
expect "not every name is a room's" 404 none

# ---- in a browser ----

page() { # PORT UNTIL EVAL
    python3 "$source/tests/interop/browser.py" --until "$2" --eval "$3" \
        "http://127.0.0.1:$1/?name=Page#hall"
}
page "$one" true 1 >/dev/null 2>&1
[ $? -eq 77 ] && { echo "no Chromium"; tally; exit; }

texts='[...document.querySelectorAll(".said .text")].map(e => e.textContent)'
expect_in "a page shows what was said, and who said it" 'from two' \
    page "$one" "$texts.includes('from two')" "$texts"
speak='(document.querySelector("#text").value = "<b>typed</b>",
    document.querySelector("#speak").requestSubmit(), 1)'
expect "a page can speak" 1 page "$one" \
    'document.querySelector(".state.on") !== null' "$speak"
expect_in "and a page of the other process shows it as it was typed" \
    '<b>typed</b>' page "$two" "$texts.includes('<b>typed</b>')" "$texts"

# A server that goes away and comes back while a page is open, which says so when
# it is connected.
( for _ in $(seq 400); do
      polled | grep -q 'here I am' && break
      sleep 0.1
  done
  kill "$one_pid"
  # It has the port until it is gone; a child that has ended has no program.
  while readlink "/proc/$one_pid/exe"; do sleep 0.1; done >/dev/null
  sleep 1
  exec "$build/examples/chat" --listen "127.0.0.1:$one" \
      --redis "unix://$work/redis" >again.log 2>&1 ) &
pids+=("$!")
came_back='(() => {
    const state = document.querySelector("#state").textContent;
    if (!window.states && state === "connected") {
        document.querySelector("#text").value = "here I am";
        document.querySelector("#speak").requestSubmit();
        window.states = new Set();
    }
    window.states?.add(state);
    return window.states?.has("reconnecting…") && state === "connected"; })()'
again() { # what a page logs about a connection that is lost is no error here
    page "$one" "$came_back" '[...window.states].length > 1' 2>/dev/null
}
expect_in "a page comes back when its server does" true again

tally
