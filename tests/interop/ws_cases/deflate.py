"""
deflate.py - permessage-deflate (RFC 7692) of this side: what was agreed on, and
messages compressed and decompressed by it.
"""

import collections
import re
import zlib

from frames import Broken

TAIL = b"\0\0\xff\xff"
NAME = "permessage-deflate"

# zlib cannot write raw data for a window of 8 bits. But it never refers back
# further than the window less 262 bytes, so what it writes for 9 bits fits.
LEAST_ZLIB_BITS = 9

Terms = collections.namedtuple(
    "Terms", "server_reset client_reset server_bits client_bits")

# In pieces of this size a reference beyond the window is noticed, if it is
# beyond by that much: zlib looks for it in what it wrote at once, too.
STRICT_PIECE = 32


RESETS = "server_no_context_takeover", "client_no_context_takeover"
BITS = "server_max_window_bits", "client_max_window_bits"


def parse(value):
    """[(name, [(parameter, value or None)])] of an extensions field."""
    found = []
    for item in (value or "").split(","):
        name, *params = (part.strip() for part in item.split(";"))
        pairs = []
        for param in params:
            key, equals, text = (part.strip() for part in param.partition("="))
            pairs.append((key, text.strip('"') if equals else None))
        if name:
            found.append((name, pairs))
    return found


def checked(pairs, in_offer):
    """Parameters as a map; Broken if they are not what RFC 7692, 7.1 has."""
    params = dict(pairs)
    if len(params) < len(pairs):
        raise Broken(f"parameters stand there twice: {pairs}")
    for key, text in params.items():
        if key in RESETS:
            right = text is None
        elif key == BITS[1] and text is None:
            right = in_offer
        else:
            right = key in BITS and text and re.fullmatch("8|9|1[0-5]", text)
        if not right:
            raise Broken(f"the parameter {key}={text}")
    return params


def bits_of(params, key):
    """The window that a parameter gives, 15 if it gives none."""
    return int(params.get(key) or 15)


def good_offers(offers):
    """The parameters of those that a server may take."""
    for name, pairs in offers:
        try:
            if name == NAME:
                yield checked(pairs, True)
        except Broken:
            pass


def check_answer(answer, offers):
    """
    The terms that a server's answer means, or None for no compression. It must
    be an answer that RFC 7692, 7.1 allows to one of the offers.
    """
    chosen = parse(answer)
    if not chosen:
        return None
    if len(chosen) > 1 or chosen[0][0] != NAME:
        raise Broken(f"it agrees to {answer!r}")
    params = checked(chosen[0][1], False)
    if not any(fits(params, offer) for offer in good_offers(offers)):
        raise Broken(f"its answer {answer!r} fits no offer")
    return Terms(RESETS[0] in params, RESETS[1] in params,
                 bits_of(params, BITS[0]), bits_of(params, BITS[1]))


def fits(params, offer):
    if RESETS[0] in offer and RESETS[0] not in params:
        return False
    if BITS[1] in params and BITS[1] not in offer:
        return False
    return all(bits_of(params, key) <= bits_of(offer, key) for key in BITS
               if key in params or key == BITS[0])


class Deflater:
    """Compresses messages; `reset`: none refers back to another."""

    def __init__(self, bits=15, reset=False, level=6):
        self.bits, self.reset, self.level = bits, reset, level
        self.forget()

    def forget(self):
        self.z = zlib.compressobj(self.level, zlib.DEFLATED,
                                  -max(self.bits, LEAST_ZLIB_BITS))

    def message(self, data, pieces=1):
        """`pieces`: flushed that often, so that there are as many blocks."""
        if self.reset:
            self.forget()
        step = max(1, -(-len(data) // pieces))
        out = b""
        for at in range(0, len(data), step):
            out += self.z.compress(data[at:at + step])
            out += self.z.flush(zlib.Z_SYNC_FLUSH)
        if not out.endswith(TAIL):
            # Nothing to flush: zlib writes no second empty block in a row.
            return b"\0"
        return out[:-len(TAIL)]


class Inflater:
    """Decompresses messages, and refuses what refers back too far."""

    def __init__(self, bits=15, reset=False):
        self.bits, self.reset = bits, reset
        self.strict = bits < 15
        self.forget()

    def forget(self):
        self.z = zlib.decompressobj(-self.bits)

    def message(self, data):
        if self.reset:
            self.forget()
        out, rest = [], data + TAIL
        piece = STRICT_PIECE if self.strict else 0
        try:
            while rest or (piece and out and len(out[-1]) == piece):
                out.append(self.z.decompress(rest, piece))
                rest = self.z.unconsumed_tail
                if self.z.eof:  # BFINAL; what follows begins anew
                    rest = self.z.unused_data
                    self.forget()
                elif not piece:
                    break
        except zlib.error as why:
            raise Broken(f"the peer's compressed data: {why}") from None
        return b"".join(out)
