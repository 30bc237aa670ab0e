"""
frames.py - frames of WebSockets (RFC 6455, 5), written and read.

Written frames may break any rule; that is what they are for. Read frames must
keep them all: what a peer sends is checked as strictly as the RFC says, by code
that shares nothing with the library under test.
"""

import collections
import os
import struct

CONT, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10
NAMES = {CONT: "continuation", TEXT: "text", BINARY: "binary",
         CLOSE: "close", PING: "ping", PONG: "pong"}
RSV1, RSV2, RSV3 = 4, 2, 1
NO_CODE = 1005  # a close frame without one

# A frame as it was read; an event as a case waits for it. `code` is that of a
# close frame, whose reason is in `data`.
Frame = collections.namedtuple("Frame", "op data fin rsv mask")
Event = collections.namedtuple("Event", "kind data code",
                               defaults=(b"", None))
END = "end"  # kind of the last event; data: how


class Broken(Exception):
    """The peer, or the case, did not keep its promise."""


def mask_bytes(data, mask):
    """XOR with the mask, fast enough for megabytes."""
    size = len(data)
    if not size or mask == b"\0\0\0\0":
        return bytes(data)
    key = (mask * (size // 4 + 1))[:size]
    whole = int.from_bytes(data, "little") ^ int.from_bytes(key, "little")
    return whole.to_bytes(size, "little")


def encode(op, data=b"", fin=True, rsv=0, mask=None, form=None, length=None):
    """
    A frame. `mask` are its four bytes, or None. `form` is how many bytes its
    length takes (0, 2, 8), the shortest unless said; `length` what it says
    there instead of the truth.
    """
    size = len(data) if length is None else length
    if form is None:
        form = 0 if size < 126 else 2 if size < 65536 else 8
    short = {0: size, 2: 126, 8: 127}[form]
    head = bytes([fin << 7 | rsv << 4 | op, (mask is not None) << 7 | short])
    if form:
        head += struct.pack({2: ">H", 8: ">Q"}[form], size)
    if mask is None:
        return head + bytes(data)
    return head + mask + mask_bytes(data, mask)


def random_mask():
    return os.urandom(4)


def close_payload(code=None, reason=b""):
    return b"" if code is None else struct.pack(">H", code) + reason


def code_may_be_sent(code):
    """RFC 6455, 7.4, and the codes registered since."""
    return (1000 <= code <= 1003 or 1007 <= code <= 1014
            or 3000 <= code <= 4999)


class FrameReader:
    """Cuts a stream of bytes into frames and checks each of them."""

    def __init__(self, masked, deflate):
        self.masked = masked      # they have to be
        self.deflate = deflate    # RSV1 has a meaning
        self.held = bytearray()
        self.started = None       # opcode of the message that goes on

    def feed(self, data):
        self.held += data

    def next(self):
        """The next frame, or None while it is not all there."""
        held = self.held
        if len(held) < 2:
            return None
        size, at = held[1] & 127, 2
        if size >= 126:
            width = 2 if size == 126 else 8
            if len(held) < 2 + width:
                return None
            size, at = int.from_bytes(held[2:2 + width], "big"), 2 + width
            if size < (126 if width == 2 else 65536):
                raise Broken(f"the peer writes a length of {size} in {width} "
                             "bytes")
            if size >> 63:
                raise Broken("the peer writes a length of 64 bits")
        mask = None
        if held[1] & 128:
            mask, at = bytes(held[at:at + 4]), at + 4
        if len(held) < at + size:
            return None
        data = bytes(memoryview(held)[at:at + size])
        frame = Frame(held[0] & 15, mask_bytes(data, mask) if mask else data,
                      bool(held[0] & 128), held[0] >> 4 & 7, mask)
        del held[:at + size]
        self.check(frame)
        return frame

    def check(self, frame):
        def broken(what):
            raise Broken(f"the peer sends {what}")

        op, name = frame.op, NAMES.get(frame.op)
        if name is None:
            broken(f"opcode {op}")
        if self.masked != (frame.mask is not None):
            broken("a frame without mask" if self.masked else "a masked frame")
        if frame.rsv & ~(RSV1 if self.deflate else 0):
            broken(f"reserved bits {frame.rsv:03b}")
        if op >= CLOSE:
            if not frame.fin or frame.rsv or len(frame.data) > 125:
                broken(f"a {name} frame that is fragmented, compressed or "
                       "too long")
            if op == CLOSE:
                self.check_close(frame.data)
            return
        if (op == CONT) != (self.started is not None):
            broken(f"{name} where it must not be")
        if op == CONT and frame.rsv:
            broken("RSV1 in a continuation")
        if op != CONT:
            self.started = op
        if frame.fin:
            self.started = None

    @staticmethod
    def check_close(data):
        if len(data) == 1:
            raise Broken("the peer sends a close frame with one byte")
        if data:
            code, = struct.unpack(">H", data[:2])
            if not code_may_be_sent(code):
                raise Broken(f"the peer sends close code {code}")
            try:
                data[2:].decode()
            except UnicodeDecodeError:
                raise Broken("the peer's reason is not UTF-8") from None


def brief(data, room=32):
    """Bytes for people."""
    head = bytes(data[:room])
    text = repr(head)[1:] if head.isascii() and head.decode().isprintable() \
        else head.hex(" ")
    return f"{len(data)} bytes {text}{'...' if len(data) > room else ''}"


def describe(event):
    if event.kind == END:
        return f"end ({event.data})"
    if event.kind == CLOSE:
        reason = event.data.decode(errors="replace")
        return f"close {event.code} {reason!r}" if reason else \
            f"close {event.code}"
    return f"{NAMES[event.kind]} {brief(event.data)}"
