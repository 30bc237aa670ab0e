"""
talk.py - one connection to the peer: sends frames, whatever they are, and
collects what comes back.

While it writes it reads, so neither side ever waits for the other to read. All
waiting is bounded by `patience`. The transcript in `log` is printed with a case
that fails.
"""

import errno
import select
import socket
import time

import frames
from frames import (CLOSE, CONT, END, NAMES, NO_CODE, PING, PONG, TEXT,
                    Broken, Event)

READ_SIZE = 1 << 18
LOG_MAX = 60  # lines of a transcript


class Late(Broken):
    """Nothing came in time."""


class Talk:
    def __init__(self, sock, as_client, patience):
        self.sock = sock
        self.as_client = as_client  # we are the client: we mask
        self.patience = patience
        self.reader = frames.FrameReader(not as_client, False)
        self.inflater = self.deflater = self.terms = None
        self.log = []
        self.notes = []     # what the RFC allows, and still might be better
        self.parts = []     # frames of the message that comes in
        self.events = []    # what nobody has asked for yet
        self.ended = None   # how the peer's side has ended
        self.closed_by_peer = False
        self.frames_read = 0
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        self.sock.close()

    def use_deflate(self, terms, deflater, inflater):
        self.terms = terms
        self.deflater, self.inflater = deflater, inflater
        self.reader.deflate = terms is not None

    def variant(self, what):
        if what not in self.notes:
            self.notes.append(what)

    def say(self, line):
        if len(self.log) < LOG_MAX:
            self.log.append(line)
        elif len(self.log) == LOG_MAX:
            self.log.append("  (and so on)")

    # ---- bytes ----

    def write(self, data):
        """Sends all of it, reading meanwhile. What a peer that has closed does
        not take is dropped."""
        view = memoryview(data)
        poll = select.poll()
        poll.register(self.sock, select.POLLIN | select.POLLOUT)
        while view and not self.ended:
            try:
                view = view[self.sock.send(view[:READ_SIZE]):]
            except BlockingIOError:
                pass
            except OSError as why:
                if why.errno not in (errno.EPIPE, errno.ECONNRESET):
                    raise
                return
            if view and not poll.poll(self.patience * 1000):
                raise Late("the peer takes nothing any more")
            self.fill(0)

    def chop(self, data, size, pause=0):
        for at in range(0, len(data), size):
            self.write(data[at:at + size])
            if pause:
                time.sleep(pause)

    def fill(self, seconds):
        """Reads what there is, waiting so long for it; False: nothing."""
        if self.ended:
            return False
        if seconds:
            poll = select.poll()
            poll.register(self.sock, select.POLLIN)
            if not poll.poll(seconds * 1000):
                return False
        try:
            data = self.sock.recv(READ_SIZE)
        except BlockingIOError:
            return False
        except OSError as why:
            self.end(errno.errorcode[why.errno])
            return True
        if not data:
            self.end("eof")
            return True
        self.take(data)
        return True

    def end(self, how):
        self.ended = how
        self.say(f"< end ({how})")
        self.events.append(Event(END, how))

    def take(self, data):
        """Bytes that have come."""
        self.reader.feed(data)
        while (frame := self.reader.next()) is not None:
            self.frames_read += 1
            self.say("< " + describe_frame(frame))
            if self.closed_by_peer:
                raise Broken("the peer sends frames after its close")
            self.take_frame(frame)

    def take_frame(self, frame):
        if frame.op == PING:
            self.write(self.frame(PONG, frame.data))
        elif frame.op == PONG:
            self.events.append(Event(PONG, frame.data))
        elif frame.op == CLOSE:
            self.closed_by_peer = True
            code = int.from_bytes(frame.data[:2], "big") or NO_CODE
            self.events.append(Event(CLOSE, frame.data[2:], code))
        else:
            self.parts.append(frame)
            if frame.fin:
                self.take_message()

    def take_message(self):
        first, parts = self.parts[0], self.parts
        self.parts = []
        data = parts[0].data if len(parts) == 1 else \
            b"".join(part.data for part in parts)
        self.last_compressed = bool(first.rsv)
        if first.rsv and self.inflater:
            data = self.inflater.message(data)
        if first.op == TEXT:
            try:
                data.decode()
            except UnicodeDecodeError:
                raise Broken("the peer sends text that is not UTF-8") from None
        self.events.append(Event(first.op, data))

    # ---- frames ----

    def frame(self, op, data=b"", fin=True, rsv=0, masked=None, **how):
        if masked is None:
            masked = self.as_client
        mask = frames.random_mask() if masked else None
        return frames.encode(op, data, fin, rsv, mask, **how)

    def send(self, op, data=b"", **how):
        self.say("> " + describe_sent(op, data, how))
        self.write(self.frame(op, data, **how))

    def message(self, op, data, every=0, chop=0, rsv=0, pause=0):
        """A message in fragments of `every` bytes, all in writes of `chop`."""
        out = []
        for at in range(0, len(data), every or len(data) or 1):
            piece = data[at:at + every] if every else data
            last = not every or at + every >= len(data)
            out.append(self.frame(CONT if at else op, piece, fin=last,
                                  rsv=0 if at else rsv))
        if not data:
            out.append(self.frame(op, rsv=rsv))
        self.say(f"> {NAMES[op]} {frames.brief(data)}"
                 f"{' compressed' if rsv else ''}"
                 f"{f' in {len(out)} frames' if every else ''}"
                 f"{f', {chop} bytes at a time' if chop else ''}")
        out = b"".join(out)
        if chop:
            self.chop(out, chop, pause)
        else:
            self.write(out)

    def compressed(self, op, data, every=0, chop=0, pieces=1):
        self.message(op, self.deflater.message(data, pieces), every, chop,
                     rsv=frames.RSV1)

    # ---- what comes back ----

    def next(self, patience=None):
        """The next event; Late when none comes in time."""
        end = time.monotonic() + (patience or self.patience)
        while not self.events:
            left = end - time.monotonic()
            if left <= 0:
                raise Late(f"nothing comes within {patience or self.patience} "
                           "seconds")
            self.fill(left)
        return self.events.pop(0)

    def gets(self, kind, data=b""):
        """The next event is this one."""
        event = self.next()
        if event.kind == kind and event.data == data:
            return
        if event.kind == kind:
            raise Broken(f"expected {frames.describe(Event(kind, data))}, got "
                         f"{frames.describe(event)}, {where(event.data, data)}")
        if kind == END:
            raise Broken(f"expected the end, got {frames.describe(event)}")
        raise Broken(f"expected {frames.describe(Event(kind, data))}, got "
                     f"{frames.describe(event)}")

    def quiet(self, seconds=0.02):
        """Nothing comes yet."""
        self.fill(seconds)
        if self.events:
            raise Broken("too early: " + frames.describe(self.events[0]))

    def gets_end(self):
        """The peer ends the connection."""
        event = self.next()
        if event.kind != END:
            raise Broken(f"{frames.describe(event)} where the connection "
                         "should end")
        return event.data

    def bye(self, code=1000, reason=b""):
        """Closes, and sees the other do so, with nothing between."""
        self.send(CLOSE, frames.close_payload(code, reason))
        self.gets_close(code)

    def gets_close(self, code, others=()):
        """The peer answers our close: with the same code, as is the custom, or
        with 1000, or none."""
        event = self.next()
        if event.kind != CLOSE:
            raise Broken(f"our close is answered by {frames.describe(event)}")
        if event.code != (NO_CODE if code is None else code):
            if event.code in (1000, NO_CODE, *others):
                self.variant(f"a close with {code} is answered by {event.code}")
            else:
                raise Broken(f"our close with {code} is answered by "
                             f"{event.code}")
        self.part()

    def part(self):
        """Both have closed: the server ends the connection, and if that is us
        the client follows."""
        if not self.as_client:
            self.sock.shutdown(socket.SHUT_WR)
        if self.gets_end() != "eof":
            self.variant("the connection ends by a reset")

    def refused(self, codes, patience=None, all_alike=False):
        """
        The peer fails the connection: a close frame with one of the codes, of
        which the first is the best unless all are alike, and the end. Without a
        frame is allowed.
        """
        event = self.next(patience)
        if event.kind == END:
            self.variant("the connection ends without a close frame")
            return
        if event.kind != CLOSE:
            raise Broken(f"expected close {codes[0]}, got "
                         f"{frames.describe(event)}")
        if event.code not in codes:
            raise Broken(f"expected close {' or '.join(map(str, codes))}, got "
                         f"{frames.describe(event)}")
        if event.code != codes[0] and not all_alike:
            self.variant(f"refused with {event.code} instead of {codes[0]}")
        self.write(self.frame(CLOSE, frames.close_payload(event.code)))
        if not self.as_client:
            try:
                self.sock.shutdown(socket.SHUT_WR)
            except OSError:
                pass  # the peer was faster
        try:
            self.gets_end()
        except Late:
            self.variant("the peer leaves it to us to end the connection")


def where(got, wanted):
    """Where two texts part."""
    size = min(len(got), len(wanted))
    at = next((i for i in range(size) if got[i] != wanted[i]), size)
    return f"differing at byte {at}"


def describe_sent(op, data, how):
    name = NAMES.get(op, f"opcode {op}")
    extra = "".join(f" {key}={value}" for key, value in how.items())
    if op == CLOSE and len(data) >= 2:
        code = int.from_bytes(data[:2], "big")
        return f"close {code} {frames.brief(data[2:])}{extra}"
    return f"{name} {frames.brief(data)}{extra}"


def describe_frame(frame):
    extra = "" if frame.fin else " fin=False"
    if frame.rsv:
        extra += f" rsv={frame.rsv}"
    return describe_sent(frame.op, frame.data, {}) + extra

