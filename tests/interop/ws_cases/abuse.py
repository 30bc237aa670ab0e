"""
abuse.py - peers that mean harm to ws_server_target: what they may take is
bounded, and those beside them are served.

The paths and their limits are those of ws_server_target.c.
"""

import os
import select
import signal
import socket
import struct
import time
import zlib

import frames
from cases import (binary, bye, case, gets_binary, gets_text, head, refused_any,
                   refused_now, rest, text)
from frames import BINARY, CLOSE, CONT, END, PING, PONG, RSV1, TEXT, Broken
from framing import letters, octets

KIB, MIB = 1 << 10, 1 << 20

# Of ws_server_target.
SMALL_MESSAGE, SMALL_FRAME, SMALL_FRAGMENTS = 64 * KIB, 16 * KIB, 100
LARGE_MESSAGE = 64 * MIB
QUICK = 0.5

# What a server may grow by under any attack here. Much less would do, but
# allocators keep some, and sanitizers more.
GROWTH = 48 * MIB

TOO_MUCH = 1009, 1008, 1002

# A peer that never reads sends until nothing more is taken for so long, or
# until it has sent so much.
STUCK, FLOOD = 0.25, 256 * MIB


def abuse_case(name, promise, run):
    return case("abuse." + name, promise, run, role="abuse")


def on(path, *steps, offer=None):
    def run(target):
        with target.open(offer, path=path) as talk:
            for step in steps:
                step(talk)
    return run


# ---- what the server uses ----

def resident(pid):
    with open(f"/proc/{pid}/status", encoding="ascii") as status:
        for line in status:
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) * KIB
    raise Broken("the server has gone")


def descriptors(pid):
    return len(os.listdir(f"/proc/{pid}/fd"))


def still_serves(target, path="/"):
    on(path, text("still here"), gets_text("still here"), bye)(target)


def bounded(run, growth=GROWTH):
    """Memory stays within what is allowed, and others are served, meanwhile and
    afterwards. `run` is called with a function that looks at both."""
    def case(target):
        before = resident(target.pid)
        most = before

        def look():
            nonlocal most
            most = max(most, resident(target.pid))
            still_serves(target)
        run(target, look)
        look()
        if most - before > growth:
            raise Broken(f"the server grew from {before // MIB} to "
                         f"{most // MIB} MiB")
    return case


# ---- limits ----

def small_bits(size):
    """Frames as large as they may be, until there is so much."""
    def step(talk):
        data = octets(size)
        for at in range(0, size, SMALL_FRAME):
            talk.send(CONT if at else BINARY, data[at:at + SMALL_FRAME],
                      fin=at + SMALL_FRAME >= size)
    return step


def without_end(frame):
    """Until the other has enough."""
    def step(talk):
        talk.say("> frames without end")
        for _ in range(1 << 17):
            talk.write(frame(talk))
            if talk.ended or talk.closed_by_peer:
                break
        while talk.events and talk.events[0].kind == PONG:
            talk.events.pop(0)
        talk.refused(TOO_MUCH, all_alike=True)
    return step


def deflated(size):
    """Zeros, without making them all."""
    z = zlib.compressobj(9, zlib.DEFLATED, -15)
    piece = z.compress(bytes(MIB)) + z.flush(zlib.Z_FULL_FLUSH)
    z = zlib.compressobj(9, zlib.DEFLATED, -15)
    left = z.compress(bytes(size % MIB)) + z.flush(zlib.Z_SYNC_FLUSH)
    return (piece * (size // MIB) + left)[:-4]


def bomb(size, every=0):
    def step(talk):
        talk.message(BINARY, deflated(size), every, rsv=RSV1)
    return step


DEFLATE = "permessage-deflate"

limits = [
    abuse_case("message.most", "a message may be as large as is allowed",
               on("/small", small_bits(SMALL_MESSAGE),
                  gets_binary(octets(SMALL_MESSAGE)), bye)),
    abuse_case("message.more", "and not a byte larger",
               on("/small", small_bits(SMALL_MESSAGE + 1),
                  refused_any(*TOO_MUCH))),
    abuse_case("message.default", "by default it is a mebibyte",
               on("/quick", binary(octets(MIB)), gets_binary(octets(MIB)),
                  head(BINARY, MIB + 1), refused_now(1009))),
    abuse_case("frame.most", "a frame may be as large as is allowed",
               on("/small", text(letters(SMALL_FRAME)),
                  gets_text(letters(SMALL_FRAME)), bye)),
    abuse_case("frame.more", "and its head tells when it is larger",
               on("/small", head(BINARY, SMALL_FRAME + 1),
                  refused_now(*TOO_MUCH))),
    abuse_case("fragments.most", "there may be as many frames as allowed",
               on("/small", text("a", fin=False),
                  *[rest("a", fin=False)] * (SMALL_FRAGMENTS - 2), rest("a"),
                  gets_text("a" * SMALL_FRAGMENTS), bye)),
    abuse_case("fragments.more", "and not one more",
               on("/small", text("a", fin=False),
                  *[rest("a", fin=False)] * (SMALL_FRAGMENTS - 1), rest("a"),
                  refused_any(*TOO_MUCH))),
    *(abuse_case(f"fragments.without_end.{name}",
                 f"fragments without end ({name}) are refused",
                 on(path, binary(b"a", fin=False), without_end(make)))
      for name, path, make in (
          ("empty", "/small", lambda talk: talk.frame(CONT, fin=False)),
          ("byte", "/", lambda talk: talk.frame(CONT, b"a", fin=False)),
          ("large", "/small", lambda talk: talk.frame(CONT, octets(1000),
                                                      fin=False)),
          ("pings", "/small", lambda talk: talk.frame(PING)
           + talk.frame(CONT, fin=False)))),
    *(abuse_case(f"bomb.{name}", f"{size >> 10} KiB from a small compressed "
                 "message are refused", bounded(
                     lambda target, look, path=path, size=size, every=every:
                     on(path, bomb(size, every), refused_any(*TOO_MUCH),
                        offer=DEFLATE)(target), GROWTH + limit))
      for name, path, size, every, limit in (
          ("just", "/small", SMALL_MESSAGE + 1, 0, 0),
          ("small", "/small", 8 * MIB, 0, 0),
          ("fragments", "/small", 8 * MIB, 100, 0),
          ("default", "/quick", 512 * MIB, 0, 0),
          ("default.fragments", "/quick", 512 * MIB, 10000, 0),
          ("kept", "/kept", 512 * MIB, 0, LARGE_MESSAGE))),
    abuse_case("bomb.none", "what is compressed may be as large as is allowed",
               on("/small", bomb(SMALL_MESSAGE),
                  gets_binary(bytes(SMALL_MESSAGE)), bye, offer=DEFLATE)),
]

# ---- memory ----

def flood(sock, data):
    """Sends the same without ever reading; how much was taken until the other
    takes no more, or has gone."""
    sock.setblocking(False)
    poll = select.poll()
    poll.register(sock, select.POLLOUT)
    view, sent, at = memoryview(data), 0, 0
    while sent < FLOOD:
        try:
            count = sock.send(view[at:])
        except BlockingIOError:
            if not poll.poll(STUCK * 1000):
                break
            continue
        except OSError:
            break
        sent += count
        at = (at + count) % len(data)
    return sent


def never_reads(path, make, offer=None):
    """A flood from one that reads nothing, then another from several."""
    def run(target, look):
        talks = [target.open(offer, path=path) for _ in range(4)]
        for i, talk in enumerate(talks):
            data = make(talk)
            sent = flood(talk.sock, data)
            talk.say(f"> {sent} bytes, while reading nothing")
            if sent >= FLOOD:
                raise Broken(f"{sent >> 20} MiB are taken from one that reads "
                             "nothing")
            if i == 0 or i == len(talks) - 1:
                look()
        for talk in talks:
            talk.sock.close()
    return bounded(run)


def many_pings(talk):
    return talk.frame(PING, b"p" * 125) * 500


def many_messages(talk):
    return talk.frame(TEXT, b"m" * 1000) * 60


def large_messages(talk):
    return talk.frame(BINARY, octets(4 * MIB))


def reads_at_last(target):
    """Who did not read for long gets all that was kept for it."""
    with target.open() as talk:
        one = talk.frame(BINARY, octets(1000))
        sent = flood(talk.sock, one * 60)
        left = -sent % len(one)
        talk.write(one[len(one) - left:])
        talk.say(f"> {sent + left} bytes, while reading nothing")
        talk.send(TEXT, b"at last")
        for _ in range((sent + left) // len(one)):
            talk.gets(BINARY, octets(1000))
        talk.gets(TEXT, b"at last")
        bye(talk)


def many_pings_read(target):
    """More pings than anybody needs may be refused; the peer is told so, though
    it goes on."""
    for _ in range(5):
        with target.open() as talk:
            talk.say("> 30000 pings")
            talk.sock.setblocking(True)
            talk.sock.sendall(talk.frame(PING) * 30000
                              + talk.frame(TEXT, b"at last"))
            talk.sock.setblocking(False)
            event = talk.next()
            while event == frames.Event(PONG):
                event = talk.next()
            if event == frames.Event(TEXT, b"at last"):
                bye(talk)
                continue
            talk.events.insert(0, event)
            talk.refused((1008, 1009))


def announced(target, look):
    """Many that announce much and send little."""
    talks = []
    for _ in range(200):
        talk = target.open()
        head(BINARY, LARGE_MESSAGE)(talk)
        talk.write(b"x")
        talks.append(talk)
    look()
    for talk in talks:
        talk.sock.close()


def started(target, look):
    """Many that start a compressed message and do not end it."""
    talks = []
    for _ in range(60):
        talk = target.open(DEFLATE, path="/kept")
        for _ in range(2):
            text(b"\xf2\x48\xcd\xc9\xc9\x07\x00", rsv=RSV1)(talk)
            talk.gets(TEXT, b"Hello")
        text(b"\xf2\x48\xcd", rsv=RSV1, fin=False)(talk)
        talks.append(talk)
    look()
    for talk in talks:
        talk.sock.close()


memory = [
    abuse_case("flood.pings", "who sends pings and reads no pongs is not read "
               "for ever", never_reads("/", many_pings)),
    abuse_case("flood.pings.silent", "nor where nobody receives",
               never_reads("/silent", many_pings)),
    abuse_case("flood.messages", "nor who sends messages and reads no echoes",
               never_reads("/", many_messages)),
    abuse_case("flood.messages.silent", "nor where nobody receives",
               never_reads("/silent", many_messages)),
    abuse_case("flood.large", "nor who sends large ones",
               never_reads("/", large_messages)),
    abuse_case("flood.pings.read", "who sends too many pings is told so",
               many_pings_read),
    abuse_case("flood.late", "who reads at last gets all that was kept",
               reads_at_last),
    abuse_case("announced", "announcing a large message costs nothing",
               bounded(announced)),
    abuse_case("started", "compressed messages that do not end cost little",
               bounded(started)),
]

# ---- time ----

def no_pong(target):
    """Pinged, and given up when it does not answer."""
    with target.open(path="/quick") as talk:
        pinged = []
        keep = talk.take_frame

        def take(frame):
            if frame.op == PING:
                pinged.append(frame)
            else:
                keep(frame)
        talk.take_frame = take
        event = talk.next()
        if event.kind == CLOSE:
            event = talk.next()
        if event.kind != END:
            raise Broken(f"got {frames.describe(event)}")
        if not pinged:
            raise Broken("it ends without having been pinged")


def pongs(target):
    """Who answers stays; so does who is busy in some other way."""
    with target.open(path="/quick") as talk:
        end = time.monotonic() + 6 * QUICK
        while time.monotonic() < end:
            talk.quiet(0.1)  # answers pings
        for step in (text("a"), gets_text("a"), bye):
            step(talk)
    with target.open(path="/quick") as talk:
        talk.write(talk.frame(BINARY, b"x" * 100)[:50])
        for byte in b"x" * 10:
            time.sleep(QUICK / 2)
            talk.fill(0)
            talk.write(bytes([byte]))
        if talk.ended:
            raise Broken("it gives up a peer that sends")


def busy(target):
    """A server that takes its time reads no pongs meanwhile, behind messages as
    large as these; it must not take that for a peer that has gone."""
    with target.open(path="/busy") as talk:
        for size in 300 * KIB, 200 * KIB, 100 * KIB:
            talk.send(BINARY, octets(size))
        for size in 300 * KIB, 200 * KIB, 100 * KIB:
            talk.gets(BINARY, octets(size))
        talk.bye()


def reads_nothing(target):
    """What is sent to it makes no progress: it is given up."""
    with target.open(path="/quick") as talk:
        flood(talk.sock, talk.frame(BINARY, octets(MIB)))
        end = time.monotonic() + target.patience
        while time.monotonic() < end:
            try:
                talk.sock.send(b"\0")
            except BlockingIOError:
                pass
            except OSError:
                return
            time.sleep(0.05)
        raise Broken("a peer that reads nothing is not given up")


def stays_open(target):
    """A close is answered, and the connection ends, though we do nothing."""
    with target.open(path="/quick") as talk:
        talk.send(CLOSE, frames.close_payload(1000))
        if talk.next().kind != CLOSE:
            raise Broken("our close is not answered")
        talk.gets_end()


def does_not_part(target):
    """What is refused ends, though we do nothing and go on sending."""
    with target.open(path="/quick") as talk:
        text("no", rsv=2)(talk)
        if talk.next().kind != CLOSE:
            raise Broken("it is not refused")
        for _ in range(50):
            if talk.ended:
                break
            talk.write(talk.frame(TEXT, b"and on " * 1000))
            talk.fill(0.02)
        if not talk.ended:
            talk.gets_end()


timing = [
    abuse_case("half_open", "who answers no pings is given up", no_pong),
    abuse_case("alive", "who does, or sends anything, is not", pongs),
    abuse_case("busy", "nor who waits for a server that is busy", busy),
    abuse_case("stuck", "who reads nothing is given up", reads_nothing),
    abuse_case("close.open", "a connection ends after a close", stays_open),
    abuse_case("close.refused", "also after what was refused", does_not_part),
]

# ---- handshakes ----

def halves(target, look):
    """Many that do not finish asking."""
    request, _ = target.request()
    socks = []
    for i in range(200):
        sock = target.connect()
        sock.sendall(request[:i % len(request)])
        socks.append(sock)
    look()
    for _ in range(20):
        for sock in socks[:50]:
            try:
                sock.sendall(b"x")
            except OSError:
                pass
    look()
    for sock in socks:
        sock.close()


def torn_handshakes(target, look):
    """Many that ask, and reset before the answer."""
    for i in range(200):
        request, _ = target.request(path="/silent" if i % 2 else "/")
        with target.connect() as sock:
            sock.sendall(request)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                            struct.pack("ii", 1, 0))
    look()


def refused_handshakes(target, look):
    for _ in range(200):
        request, _ = target.request(Origin="http://evil.example")
        sock, answer = target.ask(request)
        sock.close()
        if answer is None or " 403 " not in answer.first:
            raise Broken("it is not refused")
    look()


def nothing_left(target):
    """Descriptors are given back. The server is at its beginning again but for
    who has just left."""
    end = time.monotonic() + target.patience
    while (count := descriptors(target.pid)) > target.descriptors:
        if time.monotonic() > end:
            raise Broken(f"{count} descriptors, {target.descriptors} before")
        time.sleep(0.05)


def drains(target):
    """Asked to end, the server says goodbye: 1001."""
    talks = [target.open(path=path) for path in ("/", "/quick", "/kept")]
    os.kill(target.pid, signal.SIGTERM)
    for talk in talks:
        with talk:
            event = talk.next()
            if event.kind != CLOSE or event.code != 1001:
                raise Broken(f"got {frames.describe(event)}")
            talk.write(talk.frame(CLOSE, frames.close_payload(1001)))
            talk.gets_end()


handshakes = [
    abuse_case("handshake.half", "handshakes that do not end harm nobody",
               bounded(halves)),
    abuse_case("handshake.torn", "nor do those that are reset",
               bounded(torn_handshakes)),
    abuse_case("handshake.refused", "nor those that are refused",
               bounded(refused_handshakes)),
    abuse_case("left", "nothing is left of all that", nothing_left),
    abuse_case("drain", "a server that ends says so", drains),
]

abuse = [*limits, *memory, *timing, *handshakes]
