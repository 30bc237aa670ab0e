"""
utf8.py - cases of RFC 6455, 8.1: text is UTF-8 (RFC 3629), and is refused at
the first byte that shows that it is not, wherever frames and writes are cut.
"""

import frames
from cases import (Head, Raw, binary, bye, case, dialogue, gets_binary,
                   gets_text, head, in_pieces, ping, gets_pong, quiet, raw,
                   refused, refused_now, rest, text, together)
from frames import TEXT

# ---- what is right ----

WORDS = {
    "german": "Zwölf Boxkämpfer jagen Viktor quer über den großen Deich",
    "greek": "Ένα δύο τρία τέσσερα",
    "russian": "Раз, два, три, четыре",
    "japanese": "いち、に、さん、日本語の文字",
    "emoji": "🌀🌊🐟 \U0001f469\u200d\U0001f680",
    "mixed": "a\u00e9\u20ac\U0001f300" * 8,
    "combining": "e\u0301a\u0308o\u0302",
    "right_to_left": "שלום \u202eabc\u202c",
    "byte_order_mark": "\ufeffmarked",
}

# The ends of what each length can say, of the surrogates between, and what is
# assigned to no character, yet is valid.
BOUNDARIES = [0x00, 0x01, 0x7f, 0x80, 0x7ff, 0x800, 0xfff, 0x1000, 0xcfff,
              0xd000, 0xd7ff, 0xe000, 0xfdd0, 0xfdef, 0xfeff, 0xfffd, 0xfffe,
              0xffff, 0x10000, 0x3ffff, 0x40000, 0xfffff, 0x100000, 0x10ffff,
              *(plane << 16 | low for plane in range(1, 17)
                for low in (0xfffe, 0xffff))]

# ---- what is wrong ----

def surrogate(code):
    return chr(code).encode("utf-8", "surrogatepass")


def overlong(code, size):
    """A code point in more bytes than it needs."""
    lead = {2: 0xc0, 3: 0xe0, 4: 0xf0, 5: 0xf8, 6: 0xfc}[size]
    tail = []
    for _ in range(size - 1):
        tail.insert(0, 0x80 | code & 0x3f)
        code >>= 6
    return bytes([lead | code, *tail])


def wrong_sequences():
    """{name: bytes}, each wrong for one reason."""
    rows = {}
    for byte in range(0x80, 0xc0):
        rows[f"lone.{byte:02x}"] = bytes([byte])
    rows["lone.two"] = b"\x80\xbf"
    rows["lone.after_character"] = "é".encode() + b"\x80"
    for byte in (0xc0, 0xc1, *range(0xf5, 0x100)):
        rows[f"never.{byte:02x}"] = bytes([byte])
    # A lead and what may not come after it: less, more, nothing.
    for lead in (0xc2, 0xdf, 0xe0, 0xe1, 0xec, 0xed, 0xee, 0xef, 0xf0, 0xf1,
                 0xf3, 0xf4):
        for second in (0x00, 0x20, 0x7f, 0xc0, 0xc2, 0xe0, 0xff):
            rows[f"second.{lead:02x}_{second:02x}"] = bytes([lead, second])
    rows |= {f"second.{name}": bytes.fromhex(name.replace("_", "")) for name in
             ("e0_80", "e0_9f", "ed_a0", "ed_bf", "f0_80", "f0_8f", "f4_90",
              "f4_bf")}
    rows |= {f"third.{name}": bytes.fromhex(name.replace("_", "")) for name in
             ("e0_a0_7f", "e1_80_c0", "ef_bf_20", "f0_90_7f", "f1_80_c0",
              "f4_8f_ff")}
    rows |= {f"fourth.{name}": bytes.fromhex(name.replace("_", "")) for name in
             ("f0_90_80_7f", "f1_80_80_c0", "f4_8f_bf_20")}
    for size in 2, 3, 4, 5, 6:
        rows[f"overlong.slash.{size}"] = overlong(ord("/"), size)
        rows[f"overlong.zero.{size}"] = overlong(0, size)
    for size, most in ((2, 0x7f), (3, 0x7ff), (4, 0xffff)):
        rows[f"overlong.most.{size}"] = overlong(most, size)
    for code in (0xd800, 0xdb7f, 0xdb80, 0xdbff, 0xdc00, 0xdf80, 0xdfff):
        rows[f"surrogate.{code:04x}"] = surrogate(code)
    for high, low in ((0xd800, 0xdc00), (0xdbff, 0xdfff), (0xdb7f, 0xdc00)):
        rows[f"surrogates.{high:04x}_{low:04x}"] = \
            surrogate(high) + surrogate(low)
    rows["beyond.110000"] = overlong(0x110000, 4)
    rows["beyond.13ffff"] = overlong(0x13ffff, 4)
    rows["beyond.1fffff"] = overlong(0x1fffff, 4)
    rows["beyond.200000"] = overlong(0x200000, 5)
    rows["beyond.3ffffff"] = overlong(0x3ffffff, 5)
    rows["beyond.4000000"] = overlong(0x4000000, 6)
    rows["beyond.7fffffff"] = overlong(0x7fffffff, 6)
    rows["latin_1"] = "Grüße".encode("latin-1")
    rows["utf_16"] = "Grüße".encode("utf-16-le")[2:] + b"\xff\xfe"
    rows["two_cut_characters"] = b"\xe2\x82\xe2\x82\xac"
    return rows


# Characters that the end of a message cuts off.
CUT_OFF = {
    "c3": b"\xc3", "e2": b"\xe2", "e2_82": b"\xe2\x82", "f0": b"\xf0",
    "f0_9f": b"\xf0\x9f", "f0_9f_8c": b"\xf0\x9f\x8c", "f4_8f_bf": b"\xf4\x8f"
    b"\xbf", "ed_9f": b"\xed\x9f",
}


# What can make a whole out of any start that is right.
ENDINGS = [b"", *(bytes([second]) + b"\x80" * more for more in range(3)
                  for second in (0x80, 0x90, 0x9f, 0xa0))]


def is_text(data):
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


def first_wrong(data):
    """The index of the first byte after which it cannot become UTF-8."""
    for i in range(len(data)):
        if not any(is_text(data[:i + 1] + ending) for ending in ENDINGS):
            return i
    raise ValueError(f"{data!r} is not wrong")


WRONG = wrong_sequences()

# A few of each kind, for what is done with many cuts.
SAMPLES = ("lone.80", "lone.bf", "never.c0", "never.f5", "never.ff",
           "second.c2_7f", "second.e1_c0", "second.e0_9f", "second.ed_a0",
           "second.f0_8f", "second.f4_90", "third.e1_80_c0", "third.f0_90_7f",
           "fourth.f1_80_80_c0", "overlong.slash.2", "overlong.slash.3",
           "overlong.zero.4", "surrogate.d800", "surrogate.dfff",
           "beyond.110000", "beyond.7fffffff")

BEFORE, AFTER = "κόσμε ".encode(), "edited".encode()


def all_valid(talk):
    for code in BOUNDARIES:
        for data in (chr(code), f"a{chr(code)}b{chr(code)}"):
            text(data)(talk)
            gets_text(data)(talk)


def cut_everywhere(talk):
    """Two fragments, cut at each byte, in the midst of characters, too."""
    data = WORDS["mixed"][:12].encode()
    for at in range(len(data) + 1):
        together(text(data[:at], fin=False), rest(data[at:]))(talk)
        gets_text(data)(talk)


def a_fragment_a_byte(talk):
    for words in WORDS.values():
        data = words.encode()
        talk.message(TEXT, data, every=1)
        talk.gets(TEXT, data)


def right():
    for name, words in WORDS.items():
        yield dialogue(f"utf8.right.{name}", f"{name} text comes back",
                       text(words), gets_text(words), bye)
        yield dialogue(f"utf8.right.{name}.bytewise", "also one byte at a time",
                       in_pieces(1, text(words)), gets_text(words), bye)
    yield dialogue("utf8.right.boundaries", "the first and last code points of "
                   "each length come back", all_valid, bye)
    yield dialogue("utf8.right.cuts", "fragments may cut characters",
                   cut_everywhere, bye)
    yield dialogue("utf8.right.fragments", "a fragment may be a byte",
                   a_fragment_a_byte, bye)
    yield dialogue("utf8.right.ping", "a ping in the midst of a character "
                   "changes nothing", text(b"\xe2\x82", fin=False), ping("p"),
                   gets_pong("p"), rest(b"\xac"), gets_text("€"), bye)
    yield dialogue("utf8.right.waits", "what may become UTF-8 is not refused",
                   head(TEXT, 4), raw(b"\xf0"), quiet, raw(b"\x9f"), quiet,
                   raw(b"\x8c"), quiet, raw(b"\x80"), gets_text("🌀"), bye)
    yield dialogue("utf8.right.binary", "binary need not be UTF-8",
                   *(binary(data) for data in WRONG.values()),
                   *(gets_binary(data) for data in WRONG.values()), bye)
    yield dialogue("utf8.right.anew", "every message begins anew",
                   text("é"), binary(b"\xc3"), text("è"), gets_text("é"),
                   gets_binary(b"\xc3"), gets_text("è"), bye)


def wrong():
    for name, data in WRONG.items():
        yield dialogue(f"utf8.wrong.{name}",
                       f"text with {data.hex(' ')} is refused",
                       text(BEFORE + data + AFTER), refused(1007))
    for name, data in CUT_OFF.items():
        what = f"text that ends with {data.hex(' ')}"
        yield dialogue(f"utf8.cut_off.{name}", f"{what} is refused",
                       text(BEFORE + data), refused(1007))
        yield dialogue(f"utf8.cut_off.{name}.fragments",
                       f"{what} in the last of two fragments is refused",
                       text(BEFORE, fin=False), rest(data), refused(1007))
        yield dialogue(f"utf8.cut_off.{name}.empty",
                       f"{what} before an empty last fragment is refused",
                       text(BEFORE + data, fin=False), quiet, rest(),
                       refused(1007))


def wrong_in_parts():
    """At the first wrong byte, and not before it."""
    for name in SAMPLES:
        data = WRONG[name]
        at = first_wrong(data)
        good, bad = BEFORE + data[:at], data[at:at + 1]
        left = data[at + 1:] + AFTER
        yield dialogue(f"utf8.fast.{name}",
                       f"{bad.hex()} at offset {at} of {data.hex(' ')} is "
                       "refused before the frame ends",
                       head(TEXT, len(good) + 1 + len(left)), raw(good), quiet,
                       raw(bad), refused_now(1007, later=[raw(left)]))
        yield dialogue(f"utf8.fast.{name}.fragments",
                       "also in a fragment of its own, before the message ends",
                       text(good, fin=False), quiet, rest(bad, fin=False),
                       refused_now(1007, later=[rest(left)]))
        yield dialogue(f"utf8.fast.{name}.in_fragment",
                       "also in the midst of the second fragment",
                       text(BEFORE, fin=False),
                       head(frames.CONT, len(data) + len(AFTER)),
                       raw(data[:at] + bad),
                       refused_now(1007, later=[raw(data[at + 1:] + AFTER)]))
        yield dialogue(f"utf8.fast.{name}.bytewise",
                       "also one byte at a time",
                       in_pieces(1, text(BEFORE + data + AFTER)),
                       refused(1007))


def every_wrong_fast(target):
    """All of the table, first byte by first byte."""
    for name, data in WRONG.items():
        at = first_wrong(data)
        with target.open() as talk:
            talk.say(f"  {name}")
            for step in (Head(TEXT, len(data) + 9), Raw(data[:at]), quiet,
                         Raw(data[at:at + 1]), refused_now(1007, later=[
                             Raw(data[at + 1:] + b"         ")])):
                step(talk)


utf8 = [
    *right(), *wrong(), *wrong_in_parts(),
    dialogue("utf8.wrong.second_message", "a good message before does not hide "
             "a bad one", text("good"), gets_text("good"), text(b"\xff"),
             refused(1007)),
    dialogue("utf8.wrong.large", "a wrong byte behind a mebibyte is refused",
             text(b"a" * (1 << 20) + b"\xff"), refused(1007)),
    *(dialogue(f"utf8.wrong.at_{at}", f"a wrong byte at {at} of 200 is refused",
               text(b"a" * at + b"\x80" + b"b" * (199 - at)), refused(1007))
      for at in (0, 1, 3, 7, 8, 15, 16, 17, 31, 32, 33, 63, 64, 65, 127, 198,
                 199)),
    *(dialogue(f"utf8.wrong.wide_at_{at}",
               f"a wrong byte behind {at} characters of three bytes is refused",
               text("€".encode() * at + b"\xe2\x28\xa1"), refused(1007))
      for at in (1, 2, 5, 10, 11, 21, 22, 43)),
    case("utf8.fast.all", "all wrong sequences are refused at their first "
         "wrong byte", every_wrong_fast, full=True),
]
