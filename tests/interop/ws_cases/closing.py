"""
closing.py - cases of RFC 6455, 5.5.1 and 7: codes and reasons, what comes
behind a close, and connections that end without one.
"""

import socket
import struct

import frames
from cases import (binary, bye, case, close, dialogue, first_gets_text,
                   gets_pong, gets_text, in_pieces, ping, pong, raw,
                   refused, rest, text, together)
from frames import CLOSE, END, TEXT, Broken
from framing import letters, octets

# Registered, or of those that programs may use. 1012 to 1014 came after the
# RFC.
GOOD_CODES = (1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013,
              1014, 3000, 3001, 3999, 4000, 4001, 4999)

# Nothing, reserved for what is no frame, or nobody's.
BAD_CODES = (0, 1, 500, 999, 1004, 1005, 1006, 1015, 1016, 1017, 1100, 1999,
             2000, 2999, 5000, 5001, 32767, 65535)


def answered(code):
    """Both close; the one that answers gives the same code."""
    return lambda talk: talk.gets_close(code)


def codes():
    for code in GOOD_CODES:
        yield dialogue(f"closing.code.{code}", f"a close with {code} is "
                       "answered", close(code), answered(code))
        yield dialogue(f"closing.code.{code}.reason", "also with a reason",
                       close(code, "so it is"), answered(code))
    for code in BAD_CODES:
        yield dialogue(f"closing.code.{code}", f"a close with {code} is "
                       "refused", close(code), refused(1002))
        yield dialogue(f"closing.code.{code}.reason", "also with a reason",
                       close(code, "so it is"), refused(1002))


REASONS = {
    "empty": "", "one": "x", "longest": "*" * 123, "wide": "ö" * 61,
    "emoji": "🌀" * 30, "zero": "\0",
}

BAD_REASONS = {
    "lone": b"\x80", "never": b"so \xff", "overlong": b"\xc0\xaf",
    "surrogate": b"\xed\xa0\x80", "cut": b"so \xe2\x82",
    "cut_at_123": b"*" * 122 + b"\xc3", "beyond": b"\xf4\x90\x80\x80",
}


def reasons():
    for name, reason in REASONS.items():
        yield dialogue(f"closing.reason.{name}", f"a reason of "
                       f"{len(reason.encode())} bytes ({name}) is taken",
                       close(1000, reason), answered(1000))
    for name, reason in BAD_REASONS.items():
        yield dialogue(f"closing.reason.bad.{name}",
                       f"a reason with {reason[-4:].hex(' ')} is refused",
                       close(1000, reason), refused(1007, 1002))
    yield dialogue("closing.reason.124", "a reason of 124 bytes is refused",
                   close(1000, "*" * 124), refused(1002))
    yield dialogue("closing.reason.65536", "so is one of 65536",
                   close(1000, "*" * 65536), refused(1002))


def one_after_another(talk):
    """What was sent before a close comes back before it."""
    wanted = [b"message %d" % i for i in range(100)]
    together(*map(text, wanted), close(1000))(talk)
    for data in wanted:
        event = talk.next()
        if event.kind == CLOSE:
            talk.variant("messages before the close were not echoed")
            talk.events.insert(0, event)
            break
        if (event.kind, event.data) != (TEXT, data):
            raise Broken(f"got {frames.describe(event)}")
    talk.gets_close(1000)


def large_then_close(talk):
    """A peer that is not read for a while sends all before it closes."""
    data = octets(1 << 20)
    together(*[binary(data)] * 4, close(1000))(talk)
    for _ in range(4):
        event = talk.next()
        if event.kind == CLOSE:
            talk.variant("messages before the close were not echoed")
            talk.events.insert(0, event)
            break
        if event.data != data:
            raise Broken(f"got {frames.describe(event)}")
    talk.gets_close(1000)


def no_close_frame(*before):
    """A connection that just ends: so does the other side."""
    def run(target):
        with target.open() as talk:
            for step in before:
                step(talk)
            talk.say("> end")
            talk.sock.shutdown(socket.SHUT_WR)
            event = talk.next()
            if event.kind == CLOSE:  # to nobody; harmless
                event = talk.next()
            if event.kind != END:
                raise Broken(f"got {frames.describe(event)}")
    return run


def torn(target):
    """Connections that are reset do no harm to the next."""
    for steps in ((), (text("a", fin=False),), (raw(b"\x82\xff\0\0"),),
                  (text("a"), ping("b"))):
        with target.open() as talk:
            for step in steps:
                step(talk)
            talk.say("> reset")
            talk.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                                 struct.pack("ii", 1, 0))
    with target.open() as talk:
        for step in (text("still here"), gets_text("still here"), bye):
            step(talk)


closing = [
    *codes(),
    *reasons(),
    dialogue("closing.at_once", "a connection may end before any message",
             bye),
    dialogue("closing.after", "and after one", text("a"), gets_text("a"), bye),
    dialogue("closing.empty", "a close without a code is answered",
             close(), answered(None)),
    dialogue("closing.one_byte", "a close with one byte is refused",
             raw(b""), lambda talk: talk.send(CLOSE, b"\3"), refused(1002)),
    dialogue("closing.bytewise", "a close is understood one byte at a time",
             in_pieces(1, close(1000, "so it is")), answered(1000)),
    dialogue("closing.octets", "a close with a payload of any bytes is refused",
             lambda talk: talk.send(CLOSE, octets(100)), refused(1002, 1007)),
    dialogue("closing.within", "a close within a fragmented message is "
             "answered, and the message is none",
             text("a", fin=False), close(1000), answered(1000)),
    dialogue("closing.within.rest", "also when the rest comes behind it",
             together(text("a", fin=False), close(1000), rest("b")),
             answered(1000)),
    dialogue("closing.then.text", "text behind a close is not echoed",
             together(close(1000), text("no")), answered(1000)),
    dialogue("closing.then.ping", "a ping behind a close is not answered",
             together(close(1000), ping("no")), answered(1000)),
    dialogue("closing.then.pong", "a pong behind a close changes nothing",
             together(close(1000), pong("no")), answered(1000)),
    dialogue("closing.then.close", "a second close is not answered",
             together(close(1000), close(1001)), answered(1000)),
    dialogue("closing.then.garbage", "nor is anything else",
             together(close(1000), raw(b"\xff" * 50)), answered(1000)),
    dialogue("closing.then.much", "not even a mebibyte of it",
             together(close(1000), binary(octets(1 << 20))), answered(1000)),
    dialogue("closing.then.later", "nor what comes later",
             close(1000), lambda talk: talk.fill(0.02),
             text("no"), ping("no"), answered(1000)),
    dialogue("closing.behind", "what was sent before a close is echoed before "
             "it is answered", one_after_another),
    dialogue("closing.behind.large", "also if it is much", large_then_close),
    dialogue("closing.behind.ping", "a ping before a close is answered",
             together(ping("p"), close(1000)), gets_pong("p"), answered(1000)),
    case("closing.none", "a connection that ends without a close ends",
         no_close_frame()),
    case("closing.none.after", "also after a message",
         no_close_frame(text("a"), gets_text("a"))),
    case("closing.none.within", "also within a fragmented message",
         no_close_frame(text("a", fin=False))),
    case("closing.none.in_frame", "also within a frame",
         no_close_frame(raw(b"\x82\xfe\x01"))),
    case("closing.none.in_head", "also after a byte",
         no_close_frame(raw(b"\x82"))),
    case("closing.torn", "connections may be reset at any time", torn),
    dialogue("closing.refused.then", "what stands behind something that is "
             "refused is not echoed", together(text("a"), text("no", rsv=2),
                                               text("later"), close(1000)),
             first_gets_text("a"), refused(1002)),
    dialogue("closing.letters", "a long message, then a close with a long "
             "reason", text(letters(70000)), gets_text(letters(70000)),
             close(4321, "r" * 123), answered(4321)),
]
