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


def parse(value):
    """[(name, {parameter: value or None})] of an extensions field."""
    if not value:
        return []
    found = []
    for item in value.split(","):
        name, *params = (part.strip() for part in item.split(";"))
        if not name:
            continue
        known = {}
        for param in params:
            key, _, text = (part.strip() for part in param.partition("="))
            if key in known:
                raise Broken(f"{key} stands there twice: {value}")
            known[key] = text.strip('"') if "=" in param else None
        found.append((name, known))
    return found


def bits_of(params, key):
    """The window that a parameter gives, 15 if it is not there."""
    if key not in params:
        return 15
    text = params[key]
    if text is None or not re.fullmatch("8|9|1[0-5]", text):
        raise Broken(f"{key}={text}")
    return int(text)


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
    params = chosen[0][1]
    unknown = set(params) - {"server_no_context_takeover",
                             "client_no_context_takeover",
                             "server_max_window_bits",
                             "client_max_window_bits"}
    if unknown:
        raise Broken(f"its answer has {', '.join(sorted(unknown))}")
    for key in "server_no_context_takeover", "client_no_context_takeover":
        if params.get(key) is not None:
            raise Broken(f"its answer gives {key} a value")
    terms = Terms("server_no_context_takeover" in params,
                  "client_no_context_takeover" in params,
                  bits_of(params, "server_max_window_bits"),
                  bits_of(params, "client_max_window_bits"))
    if not any(fits(params, terms, offer)
               for name, offer in offers if name == NAME):
        raise Broken(f"its answer {answer!r} fits no offer")
    return terms


def fits(params, terms, offer):
    if "server_no_context_takeover" in offer and not terms.server_reset:
        return False
    if "client_max_window_bits" in params:
        if "client_max_window_bits" not in offer:
            return False
        if terms.client_bits > int(offer["client_max_window_bits"] or 15):
            return False
    return terms.server_bits <= bits_of(offer, "server_max_window_bits")


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
