"""
framing.py - cases of RFC 6455, 5: lengths, pings, reserved bits and opcodes,
fragments, masks.
"""

import random

import frames
from cases import (PAUSE, binary, bye, case, close, dialogue, first_gets_text,
                   frame, gets_all, gets_binary, gets_pong, gets_pongs,
                   gets_text, head, in_pieces, ping, pong, quiet, raw, refused,
                   refused_now, refused_or_awaited, refused_or_echo, rest,
                   split_at, text, together)
from frames import BINARY, CLOSE, CONT, PING, PONG, TEXT, Event

MIB = 1 << 20
SIZES = 0, 1, 2, 125, 126, 127, 128, 255, 256, 65535, 65536, 65537, MIB


def fitted(data, size):
    """Cut or repeated to that size."""
    return (data * (size // len(data) + 1))[:size]


# A prime, so that what is repeated meets no power of two at the same place.
PERIOD = 65521
LETTERS = "".join(f"{i:x}," for i in range(PERIOD // 4)).encode()[:PERIOD]
OCTETS = random.Random(1).randbytes(PERIOD)


def letters(size):
    """Text of which no two places look alike soon."""
    return fitted(LETTERS, size)


def octets(size):
    return fitted(OCTETS, size)


def makes(kind, size):
    return (TEXT, letters(size)) if kind == "text" else (BINARY, octets(size))


# ---- messages of one frame ----

def echoes(kind, size, chop=0, pause=0):
    def step(talk):
        op, data = makes(kind, size)
        talk.message(op, data, chop=chop, pause=pause)
        talk.gets(op, data)
    return step


def of_sizes():
    for kind in "text", "binary":
        for size in SIZES:
            yield dialogue(f"framing.{kind}.{size}",
                           f"{kind} of {size} bytes comes back",
                           echoes(kind, size), bye)
        for size in SIZES[:9]:
            yield dialogue(f"framing.{kind}.{size}.bytewise",
                           f"{kind} of {size} bytes, sent one by one, comes "
                           "back", echoes(kind, size, 1, PAUSE / 3), bye)
        for size, chop in ((65535, 997), (65536, 997), (MIB, 4093)):
            yield dialogue(f"framing.{kind}.{size}.by_{chop}",
                           f"{kind} of {size} bytes, in writes of {chop}, comes"
                           " back", echoes(kind, size, chop), bye)
        yield dialogue(f"framing.{kind}.65536.bytewise",
                       f"{kind} of 65536 bytes, sent one by one, comes back",
                       echoes(kind, 65536, 1), bye, full=True)


def cut_in_the_head(talk):
    """Two writes, the first ending at each place of head and mask."""
    for size in 3, 300, 70000:
        data = letters(size)
        for place in range(1, 16):
            split_at(place, text(data))(talk)
            talk.gets(TEXT, data)


def many_in_one_write(talk):
    wanted = [f"message {i}" for i in range(200)]
    together(*map(text, wanted))(talk)
    for data in wanted:
        gets_text(data)(talk)


def growing(talk):
    for size in range(0, 300):
        talk.send(TEXT, letters(size))
        talk.gets(TEXT, letters(size))


ALL_BYTES = bytes(range(256))

framing = [
    *of_sizes(),
    dialogue("framing.cut", "a frame may be cut anywhere in its head",
             cut_in_the_head, bye),
    dialogue("framing.many", "200 messages in one write come back in order",
             many_in_one_write, bye),
    dialogue("framing.growing", "every size from 0 to 299 comes back",
             growing, bye),
    dialogue("framing.kinds", "text stays text and binary stays binary",
             text("a"), binary(b"a"), text("b"), gets_text("a"),
             gets_binary(b"a"), gets_text("b"), bye),
    dialogue("framing.octets", "binary may have any bytes",
             binary(ALL_BYTES * 4), gets_binary(ALL_BYTES * 4), bye),
    dialogue("framing.nul", "text may have zeros", text("\0a\0"),
             gets_text("\0a\0"), bye),
    dialogue("framing.large_and_small", "a small message waits behind a large "
             "one", together(binary(octets(MIB)), text("then")),
             gets_binary(octets(MIB)), gets_text("then"), bye),
    dialogue("framing.half", "a frame that is not all there is no message",
             head(TEXT, 5), quiet, raw(b"Hell"), quiet, raw(b"o"),
             gets_text("Hello"), bye),
]

# ---- pings and pongs ----

def every_payload(talk):
    for size in range(126):
        talk.send(PING, octets(size))
        talk.gets(PONG, octets(size))


def pongs_beside_messages(talk):
    """Answered without waiting for the messages: in any order with them."""
    wanted = []
    for i in range(10):
        data = b"%d" % i
        talk.send(TEXT, data)
        talk.send(PING, data)
        wanted += [Event(TEXT, data), Event(PONG, data)]
    gets_all(*wanted)(talk)


LONG = b"p" * 125

pings = [
    dialogue("pings.empty", "a ping without payload is answered by a pong "
             "without", ping(), gets_pong(), bye),
    dialogue("pings.payload", "a pong repeats the ping's payload",
             ping("Hello"), gets_pong("Hello"), bye),
    dialogue("pings.octets", "a ping may have any bytes",
             ping(b"\0\xff\xfe\xfd\xc0\0"), gets_pong(b"\0\xff\xfe\xfd\xc0\0"),
             bye),
    dialogue("pings.every_size", "pings of 0 to 125 bytes are answered",
             every_payload, bye),
    dialogue("pings.126", "a ping of 126 bytes is refused",
             ping(LONG + b"p"), refused(1002)),
    dialogue("pings.126.head", "it is so by its head alone",
             head(PING, 126), refused_now(1002, later=[raw(LONG + b"p")])),
    dialogue("pings.65536", "a ping of 65536 bytes is refused",
             ping(octets(65536)), refused(1002)),
    dialogue("pings.bytewise", "a ping of 125 bytes, sent one by one, is "
             "answered", in_pieces(1, ping(LONG)), gets_pong(LONG), bye),
    dialogue("pings.half", "a ping that is not all there is not answered",
             head(PING, 4), raw(b"pin"), quiet, raw(b"g"), gets_pong("ping"),
             bye),
    dialogue("pings.several", "ten pings are answered in order",
             *(ping(f"ping {i}") for i in range(10)),
             gets_pongs(*(b"ping %d" % i for i in range(10))), bye),
    dialogue("pings.several.together", "also when they come in one write",
             together(*(ping(f"ping {i}") for i in range(10))),
             gets_pongs(*(b"ping %d" % i for i in range(10))), bye),
    dialogue("pings.several.bytewise", "also one byte at a time",
             in_pieces(1, *(ping(f"ping {i}") for i in range(10))),
             gets_pongs(*(b"ping %d" % i for i in range(10))), bye),
    dialogue("pings.beside", "pings between messages are answered",
             pongs_beside_messages, bye),
    dialogue("pings.pong", "a pong that nobody asked for is not answered",
             pong(), bye),
    dialogue("pings.pong.payload", "also one with payload",
             pong("nobody asked"), bye),
    dialogue("pings.pong.ping", "after such a pong pings are answered",
             pong("nobody asked"), ping("Hello"), gets_pong("Hello"), bye),
    dialogue("pings.pong.many", "a thousand such pongs do no harm",
             together(*(pong(b"%d" % i) for i in range(1000))), text("on"),
             gets_text("on"), bye),
    dialogue("pings.pong.126", "a pong of 126 bytes is refused",
             pong(LONG + b"p"), refused(1002)),
]

# ---- reserved bits and opcodes ----

def reserved_bits():
    for rsv in range(1, 8):
        what = f"reserved bits {rsv:03b}"
        for name, bad in (("text", text("no", rsv=rsv)),
                          ("binary", binary(b"no", rsv=rsv)),
                          ("empty", text(rsv=rsv)),
                          ("ping", ping("no", rsv=rsv)),
                          ("pong", pong("no", rsv=rsv)),
                          ("close", close(1000, rsv=rsv))):
            yield dialogue(f"reserved.{rsv:03b}.{name}",
                           f"{what} in a {name} frame are refused",
                           bad, refused(1002))
        yield dialogue(f"reserved.{rsv:03b}.between",
                       f"{what} between messages are refused, and what comes "
                       "later is not answered", text("before"),
                       text("no", rsv=rsv), ping("later"),
                       first_gets_text("before"), refused(1002))
        yield dialogue(f"reserved.{rsv:03b}.together",
                       f"{what} between messages in one write are refused",
                       together(text("before"), text("no", rsv=rsv),
                                ping("later")),
                       first_gets_text("before"), refused(1002))
        yield dialogue(f"reserved.{rsv:03b}.bytewise",
                       f"{what} are refused one byte at a time",
                       in_pieces(1, text("before"), text("no", rsv=rsv),
                                 ping("later")),
                       first_gets_text("before"), refused(1002))
        yield dialogue(f"reserved.{rsv:03b}.continuation",
                       f"{what} in a continuation are refused",
                       text("a", fin=False), rest("b", rsv=rsv), refused(1002))
    yield dialogue("reserved.head", "reserved bits are refused before the "
                   "payload comes", head(BINARY, MIB, rsv=frames.RSV2),
                   refused_now(1002, later=[raw(octets(MIB))]))


UNKNOWN = 3, 4, 5, 6, 7, 11, 12, 13, 14, 15


def unknown_opcodes():
    for op in UNKNOWN:
        what = f"opcode {op}"
        yield dialogue(f"opcodes.{op}", f"{what} is refused",
                       frame(op), refused(1002))
        yield dialogue(f"opcodes.{op}.payload", f"{what} with payload is "
                       "refused", frame(op, "Hello"), refused(1002))
        yield dialogue(f"opcodes.{op}.between",
                       f"{what} between messages is refused, and what comes "
                       "later is not answered",
                       text("before"), frame(op, "Hello"), ping("later"),
                       first_gets_text("before"), refused(1002))
        yield dialogue(f"opcodes.{op}.bytewise",
                       f"{what} is refused one byte at a time",
                       in_pieces(1, text("before"), frame(op, "Hello"),
                                 ping("later")),
                       first_gets_text("before"), refused(1002))
        yield dialogue(f"opcodes.{op}.within",
                       f"{what} within a fragmented message is refused",
                       text("a", fin=False), frame(op), rest("b"),
                       refused(1002))
    yield dialogue("opcodes.head", "an unknown opcode is refused before the "
                   "payload comes", head(3, MIB),
                   refused_now(1002, later=[raw(octets(MIB))]))


reserved = list(reserved_bits())
opcodes = list(unknown_opcodes())

# ---- fragments ----

def in_fragments(kind, data, *cuts):
    """The frames of a message, cut at those places."""
    places = [0, *cuts, len(data)]
    make = {"text": text, "binary": binary}[kind]
    out = []
    for i, (a, b) in enumerate(zip(places, places[1:])):
        out.append((rest if i else make)(data[a:b], fin=i == len(cuts)))
    return out


def fragment_counts():
    data = letters(1000)
    for kind, gets in ("text", gets_text), ("binary", gets_binary):
        for count in 2, 3, 10, 1000:
            step = len(data) // count
            parts = in_fragments(kind, data, *range(step, step * count, step))
            name = f"fragments.{kind}.{count}"
            yield dialogue(name, f"{kind} in {count} frames comes back whole",
                           *parts, gets(data), bye)
            yield dialogue(f"{name}.together", "also in one write",
                           together(*parts), gets(data), bye)
            if count < 1000:
                yield dialogue(f"{name}.bytewise", "also one byte at a time",
                               in_pieces(1, *parts, pause=PAUSE / 3),
                               gets(data), bye)


EMPTY_PLACES = {"first": (0,), "last": (5,), "middle": (2, 2),
                "all": (0, 0, 0, 0, 0, 2, 2, 2, 5, 5, 5)}


def empty_fragments():
    for name, cuts in EMPTY_PLACES.items():
        yield dialogue(f"fragments.empty.{name}",
                       f"fragments may be empty: {name}",
                       *in_fragments("text", b"Hello", *cuts),
                       gets_text("Hello"), bye)
    yield dialogue("fragments.empty.only", "a message of three empty fragments "
                   "is empty", text(fin=False), rest(fin=False), rest(),
                   gets_text(), bye)


def every_two_cuts(talk):
    data = b"fragments"
    for a in range(len(data) + 1):
        for b in range(a, len(data) + 1):
            together(*in_fragments("binary", data, a, b))(talk)
            talk.gets(BINARY, data)


def random_fragments(talk):
    dice = random.Random(5)
    for _ in range(40):
        data = letters(dice.randrange(3000))
        cuts = sorted(dice.randrange(len(data) + 1)
                      for _ in range(dice.randrange(12)))
        parts = in_fragments("text", data, *cuts)
        pings_in = dice.randrange(len(parts))
        parts.insert(pings_in, ping(b"within"))
        in_pieces(dice.choice((3, 50, 700)), *parts, pause=0)(talk)
        gets_all(Event(TEXT, data), Event(PONG, b"within"))(talk)


def misplaced():
    """Frames where they must not be: [(name, promise, frames that may stand
    before, the frame)]."""
    start = [text("a", fin=False)]
    rows = [
        ("rest", "a continuation without a start", [], rest("no")),
        ("rest.open", "a continuation without a start and with more to come",
         [], rest("no", fin=False)),
        ("rest.empty", "an empty continuation without a start", [], rest()),
        ("rest.after", "a continuation after a whole message",
         [text("whole")], rest("no")),
        ("rest.after.fragmented", "a continuation after a fragmented message",
         [text("wh", fin=False), rest("ole")], rest("no")),
        ("rest.after.ping", "a continuation after a ping", [ping("p")],
         rest("no")),
        ("text", "a text within a message", start, text("no")),
        ("text.open", "a text with more to come within a message", start,
         text("no", fin=False)),
        ("text.empty", "an empty text within a message", start, text()),
        ("binary", "a binary within a message", start, binary(b"no")),
        ("text.in_binary", "a text within a binary message",
         [binary(b"a", fin=False)], text("no")),
        ("text.after_rest", "a text within a message of three frames",
         [text("a", fin=False), rest("b", fin=False)], text("no")),
        ("ping", "a fragmented ping", [], ping("no", fin=False)),
        ("ping.empty", "an empty fragmented ping", [], ping(fin=False)),
        ("ping.within", "a fragmented ping within a message", start,
         ping("no", fin=False)),
        ("pong", "a fragmented pong", [], pong("no", fin=False)),
        ("close", "a fragmented close", [], close(1000, fin=False)),
    ]
    for name, promise, before, bad in rows:
        answers = []
        if name.startswith("rest.after"):
            answers = [gets_pong("p")] if name.endswith("ping") else \
                [first_gets_text("whole")]
        yield dialogue(f"fragments.misplaced.{name}", f"{promise} is refused",
                       *before, *answers, bad, refused(1002))
        yield dialogue(f"fragments.misplaced.{name}.bytewise",
                       f"{promise} is refused one byte at a time",
                       in_pieces(1, *before, bad, rest("later")),
                       *answers, refused(1002))


fragments = [
    *fragment_counts(),
    *empty_fragments(),
    dialogue("fragments.cuts", "a message may be cut at any two places",
             every_two_cuts, bye),
    dialogue("fragments.random", "fragments of any sizes with pings among them",
             random_fragments, bye),
    dialogue("fragments.waits", "a message is none before its last fragment",
             text("a", fin=False), quiet, rest("b", fin=False), quiet,
             rest("c"), gets_text("abc"), bye),
    dialogue("fragments.ping", "a ping between fragments is answered at once",
             text("a", fin=False), ping("p"), gets_pong("p"), rest("b"),
             gets_text("ab"), bye),
    dialogue("fragments.ping.together", "also when all come in one write",
             together(text("a", fin=False), ping("p"), rest("b")),
             gets_pong("p"), gets_text("ab"), bye),
    dialogue("fragments.ping.bytewise", "also one byte at a time",
             in_pieces(1, text("a", fin=False), ping("p"), rest("b")),
             gets_pong("p"), gets_text("ab"), bye),
    dialogue("fragments.pings", "pings between many fragments are answered",
             text("a", fin=False), ping("1"), gets_pong("1"),
             rest("b", fin=False), rest("c", fin=False), ping("2"),
             gets_pong("2"), ping(), gets_pong(), rest("d", fin=False),
             rest("e"), gets_text("abcde"), bye),
    dialogue("fragments.ping.empty", "pings between empty fragments are "
             "answered", text(fin=False), ping("1"), gets_pong("1"),
             rest(fin=False), ping("2"), gets_pong("2"), rest(), gets_text(),
             bye),
    dialogue("fragments.pong", "a pong between fragments changes nothing",
             text("a", fin=False), pong("nobody asked"), rest("b"),
             gets_text("ab"), bye),
    dialogue("fragments.two", "two fragmented messages, one after the other",
             together(text("a", fin=False), rest("b"), binary(b"c", fin=False),
                      rest(b"d")), gets_text("ab"), gets_binary(b"cd"), bye),
    dialogue("fragments.sizes", "fragments of all forms of length",
             binary(octets(125), fin=False), rest(octets(126), fin=False),
             rest(octets(65535), fin=False), rest(octets(65536), fin=False),
             rest(octets(1)),
             gets_binary(b"".join(map(octets, (125, 126, 65535, 65536, 1)))),
             bye),
    *misplaced(),
]

# ---- masks ----

def with_masks(talk):
    """Masks that are easy to get wrong, and payloads that begin and end at
    every place of the mask."""
    for mask in (b"\0\0\0\0", b"\xff\xff\xff\xff", b"\0\0\0\1", b"\1\0\0\0",
                 b"\x80\x40\x20\x10"):
        for size in (*range(0, 40), 125, 126, 127, 4095, 4096, 4097):
            data = octets(size)
            talk.write(frames.encode(BINARY, data, mask=mask))
            talk.gets(BINARY, data)


def mask_goes_on(talk):
    """A payload that comes in pieces of odd sizes."""
    for chop in 1, 3, 5, 7, 13:
        talk.message(BINARY, octets(211), chop=chop, pause=PAUSE / 3)
        talk.gets(BINARY, octets(211))


def masks_differ(target):
    """Unpredictable masks (5.3): no two alike among many, which nobody can tell
    from the same one by chance."""
    with target.open() as talk:
        seen = set()
        keep = talk.reader.check

        def note(read):
            seen.add(read.mask)
            keep(read)
        talk.reader.check = note
        for i in range(50):
            talk.send(TEXT, b"%d" % i)
            talk.gets(TEXT, b"%d" % i)
        talk.bye()
    if len(seen) < 45:
        raise frames.Broken(f"only {len(seen)} masks in 50 frames")


def wrong_masks():
    for name, bad in (("text", (TEXT, b"no")), ("empty", (TEXT, b"")),
                      ("binary", (BINARY, b"no")), ("ping", (PING, b"no")),
                      ("pong", (PONG, b"")),
                      ("close", (CLOSE, frames.close_payload(1000)))):
        def run(target, bad=bad):
            with target.open() as talk:
                talk.send(*bad, masked=not talk.as_client)
                talk.refused((1002,))
        yield case(f"masks.wrong.{name}", f"a {name} frame is refused when a "
                   "client has not, or a server has, masked it", run)

    def within(target):
        with target.open() as talk:
            talk.send(TEXT, b"a", fin=False)
            talk.send(CONT, b"b", masked=not talk.as_client)
            talk.refused((1002,))
    yield case("masks.wrong.continuation", "so is a continuation", within)


masks = [
    dialogue("masks.all", "masks of all kinds are undone", with_masks, bye,
             role="server"),
    dialogue("masks.cut", "a mask goes on over pieces of a payload",
             mask_goes_on, bye),
    case("masks.differ", "every frame has a mask of its own", masks_differ,
         role="client"),
    *wrong_masks(),
]

# ---- lengths that must not be ----

# Some peers take longer forms than are needed, although the RFC has a MUST on
# who writes them. Ours refuses: they are a way around filters.
def longer_forms():
    for size, form in ((0, 2), (0, 8), (1, 2), (1, 8), (125, 2), (125, 8),
                       (126, 8), (65535, 8)):
        data = letters(size)
        yield dialogue(f"lengths.longer.{size}.{form}",
                       f"a length of {size} in {form} bytes is refused",
                       text(data, form=form),
                       refused_or_echo((1002,), Event(TEXT, data)))
    for size, form in ((5, 2), (125, 8)):
        data = letters(size)
        yield dialogue(f"lengths.longer.ping.{size}.{form}",
                       f"a ping's length of {size} in {form} bytes is refused",
                       ping(data, form=form),
                       refused_or_echo((1002,), Event(PONG, data)))


# A peer without a limit may wait for such a message.
def too_long():
    for bits in 32, 40, 62:
        yield dialogue(f"lengths.{bits}_bits",
                       f"a message of 2^{bits} bytes is refused by its head",
                       head(BINARY, 1 << bits), refused_or_awaited(1009, 1002))
    yield dialogue("lengths.63_bits", "a message of 2^63-1 bytes is refused by "
                   "its head", head(BINARY, (1 << 63) - 1),
                   refused_or_awaited(1009, 1002))
    yield dialogue("lengths.sum", "a continuation cannot make a message longer "
                   "than a number can be", binary(b"a" * 100, fin=False),
                   head(CONT, (1 << 63) - 1), refused_or_awaited(1009, 1002))
    for name, size in (("64_bits", 1 << 63), ("all_bits", (1 << 64) - 1)):
        yield dialogue(f"lengths.{name}", f"a length with its highest bit set, "
                       f"{size:#x}, is refused", head(BINARY, size),
                       refused(1002, 1009))


lengths = [*longer_forms(), *too_long()]
