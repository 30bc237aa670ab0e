"""
compression.py - cases of RFC 7692: what is agreed on, messages in all its
shapes, and data that is wrong.
"""

import itertools
import random
import zlib

import deflate
import frames
from cases import (bye, case, close, frame, gets_pong, gets_text, in_pieces,
                   ping, pong, quiet, refused, refused_any, refused_now, rest,
                   text, together)
from frames import BINARY, RSV1, RSV2, TEXT, Broken
from framing import letters, octets
from targets import Refused, Skip

KIB = 1024
SIZES = tuple(16 << i for i in range(0, 14) if i not in (1, 3, 5))
COUNT, COUNT_OTHER, COUNT_FULL = 20, 4, 1000

# ---- what is agreed on ----

# Offers of a client, all of which a server can meet; a window of 8 bits it may
# decline, since zlib cannot.
NO_TAKEOVER = "server_no_context_takeover; client_no_context_takeover"
OFFERS = {
    "bare": "",
    "told": "client_max_window_bits",
    "server_reset": "server_no_context_takeover",
    "client_reset": "client_no_context_takeover",
    "both_reset": NO_TAKEOVER,
    **{f"server_{bits}": f"server_max_window_bits={bits}"
       for bits in range(8, 16)},
    **{f"client_{bits}": f"client_max_window_bits={bits}"
       for bits in range(8, 16)},
    **{f"both_{bits}": f"{NO_TAKEOVER}; server_max_window_bits={bits}; "
                       f"client_max_window_bits={bits}" for bits in (8, 9, 12)},
    "all": f"client_max_window_bits=11; {NO_TAKEOVER}; "
           "server_max_window_bits=10",
    "kept_9": "server_max_window_bits=9; client_max_window_bits=9",
}
OFFERS = {name: "; ".join(filter(None, (deflate.NAME, params)))
          for name, params in OFFERS.items()}
OFFERS |= {
    "quoted": 'permessage-deflate; server_max_window_bits="10"',
    "spaces": "permessage-deflate ;server_max_window_bits=10 ; "
              "client_max_window_bits\t;\tclient_no_context_takeover",
    "several": "permessage-deflate; server_max_window_bits=9; "
               "client_max_window_bits, permessage-deflate; "
               "client_max_window_bits, permessage-deflate",
    "others": "x-unknown; a=b, permessage-deflate, x-other",
    "fallback": "permessage-deflate; x=1, permessage-deflate; "
                "client_max_window_bits",
    "fallback_bits": "permessage-deflate; server_max_window_bits=16, "
                     "permessage-deflate; server_no_context_takeover",
}
USUAL = "told"

# Offers that a server must decline (7.1): it goes on without compression.
BAD_PARAMS = {
    "no_bits": "server_max_window_bits",
    **{f"server_{name}": f"server_max_window_bits={bits}" for name, bits in
       (("0", 0), ("7", 7), ("16", 16), ("08", "08"), ("nine", "nine"),
        ("minus", "-9"), ("huge", "4294967305"), ("octal", "011"),
        ("fraction", "9.5"))},
    **{f"client_{name}": f"client_max_window_bits={bits}" for name, bits in
       (("0", 0), ("7", 7), ("16", 16), ("010", "010"), ("x", "x"))},
    "server_reset_value": "server_no_context_takeover=1",
    "client_reset_value": "client_no_context_takeover=true",
    "unknown": "window_bits=10",
    "unknown_bare": "fast",
    "twice_reset": "server_no_context_takeover; server_no_context_takeover",
    "twice_bits": "server_max_window_bits=10; server_max_window_bits=10",
    "twice_client_bits": "client_max_window_bits; client_max_window_bits=10",
}


def opened(target, name=USUAL):
    """A connection with compression, by the offer of that name; a client must
    have offered what we answer."""
    if target.role == "client":
        talk = target.open(lambda offers: answer_to(offers, OFFERS[name]))
        if talk.terms.client_bits == 8:
            talk.send(TEXT, b"still there?")
            if talk.next().kind == frames.END:
                raise Skip("a window of 8 bits is refused")
        return talk
    try:
        talk = target.open(OFFERS[name])
    except Refused as answer:
        if "fallback" in name:
            raise Skip("bad offers are refused, not declined") from None
        raise answer
    if talk.terms is None:
        talk.sock.close()
        if "_8" in name:
            raise Skip("a window of 8 bits is declined")
        raise Broken("the offer was declined: " + OFFERS[name])
    return talk


def answer_to(offers, wanted):
    """What the offer `wanted` would have asked for, if that can be an answer to
    what this client has offered."""
    params = dict(deflate.parse(wanted)[-1][1])
    if params.get("client_max_window_bits", "") is None:
        del params["client_max_window_bits"]  # of offers only
    for offer in deflate.good_offers(offers):
        given = dict(params)
        if "server_no_context_takeover" in offer:
            given["server_no_context_takeover"] = None
        limit = deflate.bits_of(offer, "server_max_window_bits")
        if deflate.bits_of(given, "server_max_window_bits") > limit:
            given["server_max_window_bits"] = str(limit)
        if deflate.fits(given, offer):
            return "; ".join([deflate.NAME,
                              *(f"{key}={value}" if value else key
                                for key, value in given.items())])
    raise Skip("the client offers nothing of the kind")


def declines(params):
    """The offer alone; and before a good one, which is then taken."""
    bad = f"{deflate.NAME}; {params}"

    def run(target):
        try:
            with target.open(bad) as talk:
                if talk.terms is not None:
                    raise Broken(f"it agrees to {params!r}")
                for step in (text("plain"), gets_text("plain"),
                             text("no", rsv=RSV1), refused(1002)):
                    step(talk)
            with target.open(f"{bad}, {deflate.NAME}") as talk:
                if talk.terms is None:
                    raise Broken("it does not take the good offer behind it")
                hello_again(talk)
        except Refused as answer:
            if answer.status != 400:
                raise
            target.note("it refuses such a handshake altogether")
    return run


def hello_again(talk):
    for data in (b"Hello", b"Hello", letters(1000), letters(1000)):
        talk.compressed(TEXT, data)
        talk.gets(TEXT, data)
    talk.bye()


def two_fields(target):
    """A list may be given in several fields."""
    with target.open(["x-unknown", deflate.NAME]) as talk:
        if talk.terms is None:
            raise Broken("the offer in the second field is not taken")
        hello_again(talk)


# ---- messages ----

def corpus(size):
    """Messages of one size, from what shrinks to nothing to what does not
    shrink at all."""
    dice = random.Random(size)
    words = [f"{dice.randrange(1 << 20):x}" for _ in range(60)]
    said = " ".join(dice.choice(words) for _ in range(size // 2 + 1))
    rows = "".join('{"id":%d,"name":"%s","on":true}\n'
                   % (i, dice.choice(words)) for i in range(size // 20 + 1))
    wide = ("größe € 日本 🌀 " * (size // 8 + 1)).encode()[:size]
    return [
        (TEXT, said.encode()[:size]), (TEXT, rows.encode()[:size]),
        (BINARY, dice.randbytes(size)), (BINARY, bytes(size)),
        (TEXT, wide.decode(errors="ignore").encode()),
        (TEXT, b"\n" * size), (BINARY, bytes(range(256)) * (size // 256 + 1)),
        (TEXT, dice.randbytes(size // 2).hex().encode()),
    ]


def exchange(name, size, count, every=0, chop=0):
    """So many messages, one after the other."""
    def run(target):
        with opened(target, name) as talk:
            of_this_size = corpus(size)
            for i in range(count):
                op, data = of_this_size[i % len(of_this_size)]
                talk.compressed(op, data, every, chop)
                talk.gets(op, data)
            talk.bye()
    return run


# With these every size is tried, and 1000 messages of each when all is asked
# for; with the others a few.
MAIN = (USUAL, "both_reset")
MAIN_FULL = (*MAIN, "bare", "server_9", "client_9", "both_9", "kept_9", "all")
FEW_SIZES = 16, 8 * KIB
CUT_SIZES = KIB, 128 * KIB


def exchanges():
    for name in OFFERS:
        for size, every in itertools.product(SIZES, (0, 64, 1300)):
            if every >= size:
                continue
            few = size in FEW_SIZES and not every
            cut = f".by_{every}" if every else ""
            label = f"compression.{name}.{size}{cut}"
            told = (f"messages of {size} bytes"
                    f"{f' in frames of {every}' if every else ''} come back"
                    f" ({name})")
            count = COUNT if name in MAIN else COUNT_OTHER
            if few or (name in MAIN and (not every or size in CUT_SIZES)):
                yield case(f"{label}.{count}", f"{count} {told}",
                           exchange(name, size, count, every))
            if few or name in MAIN_FULL:
                yield case(f"{label}.{COUNT_FULL}", f"{COUNT_FULL} {told}",
                           exchange(name, size, COUNT_FULL, every), full=True)


def within_window(name):
    """Data that repeats just beyond the window: who compresses it with a larger
    one than was agreed on refers to what we do not have any more."""
    def run(target):
        with opened(target, name) as talk:
            for data in (octets(talk.inflater.bits and
                                (1 << talk.inflater.bits) + 64) * 3,
                         corpus(4 * KIB)[0][1] * 4):
                talk.compressed(BINARY, data)
                talk.gets(BINARY, data)
            talk.bye()
    return run


def compresses(target):
    """What is compressed comes back compressed."""
    with opened(target) as talk:
        talk.compressed(TEXT, b"the same again " * 400)
        talk.gets(TEXT, b"the same again " * 400)
        if not talk.last_compressed:
            talk.variant("it does not compress what it sends")
        talk.bye()


def mixed(target):
    """Messages that are not compressed are no part of the context."""
    with opened(target) as talk:
        for i in range(8):
            data = b"mixed " * 20 + b"%d" % i
            if i % 2:
                talk.message(TEXT, data)
            else:
                talk.compressed(TEXT, data)
            talk.gets(TEXT, data)
        for data in (b"", b"x"):
            talk.message(TEXT, data)
            talk.gets(TEXT, data)
            talk.compressed(TEXT, data)
            talk.gets(TEXT, data)
        talk.bye()


def in_a_row(target):
    """Many are sent before the first comes back."""
    with opened(target) as talk:
        wanted = corpus(2000) * 25
        for op, data in wanted:
            talk.compressed(op, data)
        for op, data in wanted:
            talk.gets(op, data)
        talk.bye()


def large(target):
    for op, data in ((TEXT, letters(4 << 20)), (BINARY, octets(4 << 20)),
                     (BINARY, bytes(16 << 20))):
        with opened(target) as talk:
            talk.compressed(op, data)
            talk.gets(op, data)
            talk.bye()


# Ways to write data that zlib has: stored, fixed codes, no matches, runs.
WAYS = {"stored": (0, zlib.Z_DEFAULT_STRATEGY),
        "fixed": (6, zlib.Z_FIXED),
        "codes": (6, zlib.Z_HUFFMAN_ONLY),
        "runs": (6, zlib.Z_RLE),
        "fast": (1, zlib.Z_DEFAULT_STRATEGY),
        "best": (9, zlib.Z_DEFAULT_STRATEGY)}


def every_way(target):
    with opened(target, "both_reset") as talk:
        for level, strategy in WAYS.values():
            for op, data in (*corpus(3000), *corpus(70000)[:3]):
                z = zlib.compressobj(level, zlib.DEFLATED, -15, 8, strategy)
                out = z.compress(data) + z.flush(zlib.Z_SYNC_FLUSH)
                talk.message(op, out[:-4], rsv=RSV1)
                talk.gets(op, data)
        talk.bye()


def many_blocks(target):
    with opened(target) as talk:
        for pieces in 2, 3, 10, 100:
            for op, data in corpus(2000):
                talk.compressed(op, data, pieces=pieces)
                talk.gets(op, data)
        talk.bye()


def every_split(target):
    """A compressed message in two frames, cut anywhere, and in two writes."""
    with opened(target, "both_reset") as talk:
        data = b"cut anywhere, anywhere"
        z = talk.deflater.message(data)
        for at in range(len(z) + 1):
            together(text(z[:at], fin=False, rsv=RSV1), rest(z[at:]))(talk)
            talk.gets(TEXT, data)
            whole = talk.frame(TEXT, z, rsv=RSV1)
            talk.write(whole[:at])
            talk.write(whole[at:])
            talk.gets(TEXT, data)
        talk.bye()


# ---- what is written by hand (7.2.3), and what is wrong ----

def z(data, **how):
    """A compressed text frame with these bytes, given in hex."""
    return text(bytes.fromhex(data), rsv=RSV1, **how)


HELLO = "f2 48 cd c9 c9 07 00"
HELLO_FINAL = "f3 48 cd c9 c9 07 00"
AGAIN = "f2 00 11 00 00"  # "Hello" by reference to the message before
HELLO_TEXT = frames.Event(TEXT, b"Hello")
EMPTY_BLOCK = "00 00 00 ff ff"


def by_hand(name, promise, *steps, setup="bare"):
    def run(target):
        with opened(target, setup) as talk:
            for step in steps:
                step(talk)
    return case("compression.by_hand." + name, promise, run)


def at_best(best):
    """This text comes back, or, at less than the best, another one, or it is
    refused. None: it is best refused."""
    def step(talk):
        event = talk.next()
        if event.kind == TEXT:
            if event.data != best:
                talk.variant(f"{event.data!r} comes back")
            talk.bye()
            return
        talk.events.insert(0, event)
        if best is not None:
            talk.variant("refused")
        talk.refused(WRONG_DATA)
    return step


def again(talk):
    """A reference to the message before: right only where it may be made."""
    z(AGAIN)(talk)
    if talk.deflater.reset:
        # We must not; whoever kept the context understands all the same.
        event = talk.next()
        if event == HELLO_TEXT:
            talk.bye()
            return
        talk.events.insert(0, event)
        refused_data(talk)
        return
    talk.gets(*HELLO_TEXT[:2])
    talk.bye()


def again_at_best(talk):
    """Those who leave all to zlib lose the context at a last block."""
    if talk.deflater.reset:
        again(talk)
        return
    z(AGAIN)(talk)
    at_best(b"Hello")(talk)


def empty_or_refused(talk):
    event = talk.next()
    if event == frames.Event(TEXT):
        talk.bye()
        return
    talk.events.insert(0, event)
    talk.refused(WRONG_DATA)


# The RFC leaves the code open. 1007: the data does not fit the type of message;
# 1002: the protocol is broken.
WRONG_DATA = 1007, 1002, 1003, 1009, 1011
refused_data = refused_any(*WRONG_DATA)

shapes = [
    by_hand("hello", "fixed codes are understood", z(HELLO), gets_text("Hello"),
            bye),
    by_hand("fragments", "so they are in two frames",
            z("f2 48 cd", fin=False), rest(bytes.fromhex("c9 c9 07 00")),
            gets_text("Hello"), bye),
    by_hand("bytewise", "and a byte at a time", in_pieces(1, z(HELLO)),
            gets_text("Hello"), bye),
    by_hand("again", "a message may refer to the one before, unless agreed "
            "otherwise", z(HELLO), gets_text("Hello"), again),
    by_hand("stored", "a block that is stored is understood",
            z("00 05 00 fa ff 48 65 6c 6c 6f 00"), gets_text("Hello"), bye),
    by_hand("blocks", "two blocks make a message",
            z("f2 48 05 00 00 00 ff ff ca c9 c9 07 00"), gets_text("Hello"),
            bye),
    by_hand("empty_blocks", "blocks may be empty",
            z(EMPTY_BLOCK * 100 + HELLO), gets_text("Hello"), bye),
    by_hand("empty", "an empty message is a zero", z("00"), gets_text(), bye),
    by_hand("empty.fixed", "or an empty block of fixed codes", z("02 00"),
            gets_text(), bye),
    by_hand("empty.fragments", "in many empty frames, too",
            z("", fin=False), rest(fin=False), rest(b"\0", fin=False), rest(),
            gets_text(), bye),
    by_hand("empty.twice", "two empty messages", z("00"), z("00"), gets_text(),
            gets_text(), bye),
    by_hand("empty_frames", "empty frames before, in and after",
            z("", fin=False), rest(bytes.fromhex(HELLO[:8]), fin=False),
            rest(fin=False), rest(bytes.fromhex(HELLO[8:]), fin=False), rest(),
            gets_text("Hello"), bye),
    # BFINAL ends a stream, but not a message (7.2.1): blocks may follow. Those
    # who leave all to zlib see only what stands before it.
    by_hand("final", "a last block, then the empty one",
            z(HELLO_FINAL + "00"), gets_text("Hello"), bye),
    by_hand("final.then", "messages after such a message are understood",
            z(HELLO_FINAL + "00"), gets_text("Hello"), z(HELLO),
            gets_text("Hello"), z(HELLO_FINAL + "00"), gets_text("Hello"), bye),
    by_hand("final.again", "and may refer to it", z(HELLO_FINAL + "00"),
            gets_text("Hello"), again_at_best),
    by_hand("final.refers", "blocks behind a last block refer to it",
            z(HELLO_FINAL + AGAIN), at_best(b"HelloHello")),
    by_hand("final.alone", "a last block alone", z(HELLO_FINAL),
            at_best(b"Hello")),
    by_hand("final.within", "blocks behind a last block",
            z(HELLO_FINAL + HELLO),
            at_best(b"HelloHello")),
    by_hand("final.fragments", "a last block in a frame, blocks in the next",
            z(HELLO_FINAL, fin=False), rest(bytes.fromhex(HELLO)),
            at_best(b"HelloHello")),
    by_hand("final.many", "only last blocks",
            z(HELLO_FINAL * 3 + "00"),
            at_best(b"HelloHelloHello")),
    by_hand("ping", "a ping between compressed frames is answered",
            z("f2 48", fin=False), ping("p"), gets_pong("p"),
            rest(bytes.fromhex("cd c9 c9 07 00")), gets_text("Hello"), bye),
    by_hand("plain_within", "a message that is not compressed, between "
            "compressed ones", z(HELLO), text("plain"), z(HELLO),
            gets_text("Hello"), gets_text("plain"), gets_text("Hello"), bye),
    by_hand("plain_fragments", "also in fragments", z(HELLO),
            text("pl", fin=False), rest("ain"), z(HELLO), gets_text("Hello"),
            gets_text("plain"), gets_text("Hello"), bye),
    by_hand("waits", "a message is none before its end",
            z("f2 48 cd c9 c9 07", fin=False), quiet, rest(b"\0"),
            gets_text("Hello"), bye),
]

NOT_TEXT = b"wrong \xff here"


def raw_deflate(data):
    return deflate.Deflater(reset=True).message(data)


wrong = [
    by_hand("rsv1.continuation", "RSV1 in a continuation is refused",
            z("f2 48 cd", fin=False),
            rest(bytes.fromhex("c9 c9 07 00"), rsv=RSV1), refused(1002)),
    by_hand("rsv1.plain", "RSV1 in the continuation of a plain message",
            text("a", fin=False), rest("b", rsv=RSV1), refused(1002)),
    by_hand("rsv1.ping", "RSV1 in a ping is refused", ping("a", rsv=RSV1),
            refused(1002)),
    by_hand("rsv1.ping.within", "RSV1 in a ping within a message is refused",
            z("f2 48", fin=False), ping("a", rsv=RSV1), refused(1002)),
    by_hand("rsv1.pong", "RSV1 in a pong is refused", pong("a", rsv=RSV1),
            refused(1002)),
    by_hand("rsv1.close", "RSV1 in a close is refused",
            close(1000, rsv=RSV1), refused(1002)),
    by_hand("rsv2", "RSV2 beside it is refused",
            text(bytes.fromhex(HELLO), rsv=RSV1 | RSV2), refused(1002)),
    by_hand("opcode", "an unknown opcode with RSV1 is refused",
            frame(3, b"a", rsv=RSV1), refused(1002)),
    by_hand("start", "a compressed start within a message is refused",
            text("a", fin=False), z(HELLO), refused(1002)),
    by_hand("utf8", "text that is not UTF-8 once it is decompressed is refused",
            text(raw_deflate(NOT_TEXT), rsv=RSV1), refused(1007)),
    by_hand("utf8.cut_off", "so is text that ends within a character",
            text(raw_deflate(b"cut \xe2\x82"), rsv=RSV1), refused(1007)),
    by_hand("utf8.fragments", "so is it in fragments, before the last",
            text(raw_deflate(NOT_TEXT), rsv=RSV1, fin=False),
            refused_now(1007, later=[rest(b"\0")])),
    by_hand("utf8.cut", "frames may cut compressed characters",
            z("f2", fin=False), rest(bytes.fromhex("48 cd c9 c9 07 00")),
            gets_text("Hello"), bye),
    by_hand("type", "a block of the type that is none is refused",
            z("07 00 00 00"), refused_data),
    by_hand("stored_length", "a stored block whose lengths differ is refused",
            z("00 05 00 00 00 48 65 6c 6c 6f 00"), refused_data),
    by_hand("beyond", "a reference to what was never there is refused",
            z(AGAIN), refused_data),
    by_hand("garbage", "garbage is refused", z("ff" * 40),
            refused_data),
    by_hand("codes", "codes that cannot be are refused", z("04 fe ff" * 10),
            refused_data),
    by_hand("garbage.fragments", "garbage in the second frame is refused",
            z("f2 48 cd", fin=False), rest(b"\xff" * 40), refused_data),
    by_hand("garbage.now", "it is so before the message ends",
            z("ff" * 40, fin=False),
            refused_now(*WRONG_DATA, later=[rest(b"\0")])),
    # zlib does not mind the end, so who does not ask it takes what is there.
    by_hand("truncated", "a message that is cut off is refused",
            z("f2 48 cd"), at_best(None)),
    by_hand("truncated.stored", "also within a stored block",
            z("00 05 00 fa ff 48 65"), at_best(None)),
    # No block is no message (7.2.1), yet what could it be but empty?
    by_hand("nothing", "a compressed message without a byte is empty, or "
            "refused", z(""), empty_or_refused),
    by_hand("zlib", "data in zlib's own wrapping is refused",
            text(zlib.compress(b"wrapped" * 10), rsv=RSV1),
            refused_data),
]

compression = [
    *exchanges(),
    *(case(f"compression.window.{name}", f"it keeps to its window ({name})",
           within_window(name))
      for name in OFFERS if name.startswith(("server_", "both_", "client_",
                                             "kept", "all"))
      and not name.endswith("reset")),
    *(case(f"compression.declines.{name}",
           f"an offer with {params!r} is declined, and the next is taken",
           declines(params), role="server")
      for name, params in BAD_PARAMS.items()),
    case("compression.fields", "offers may stand in two fields", two_fields,
         role="server"),
    case("compression.used", "what comes is compressed", compresses),
    case("compression.mixed", "compressed and plain messages alternate", mixed),
    case("compression.row", "many messages at once", in_a_row),
    case("compression.large", "large messages", large),
    case("compression.ways", "all ways to write deflated data", every_way),
    case("compression.many_blocks", "many blocks in a message", many_blocks),
    case("compression.splits", "a message may be cut anywhere", every_split),
    *shapes, *wrong,
]
