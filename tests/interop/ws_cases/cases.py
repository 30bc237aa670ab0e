"""
cases.py - what a case is, and the steps that most are made of.

A case has a name, GROUP.WHAT, and a promise. Most are dialogues: steps that
send, and steps that say what must come back, in order. `frame` and the names
after it can be given to together() and in_pieces(), which send them as one
write or as many small ones.

Where the RFC leaves a choice, the step accepts all that it allows, and notes a
"variant" if it was not the best.
"""

import collections
import time

import frames
from frames import BINARY, CLOSE, CONT, END, PING, PONG, TEXT, Broken, Event
from talk import Late

Case = collections.namedtuple("Case", "name promise run role full")

# How long a peer may take to refuse what it can already see to be wrong. One
# that waits for the rest of a frame would wait for ever.
SOON = 1.0

# Between writes that should arrive one by one.
PAUSE = 0.0003


def case(name, promise, run, role="both", full=False):
    """`full`: only when all is asked for."""
    return Case(name, promise, run, role, full)


def dialogue(name, promise, *steps, role="both", full=False):
    def run(target):
        with target.open() as talk:
            for step in steps:
                step(talk)
    return Case(name, promise, run, role, full)


# ---- what is sent ----

class Send:
    """A frame to be sent: a step by itself."""

    def __init__(self, op, data, how):
        self.op, self.how = op, how
        self.data = data.encode() if isinstance(data, str) else data

    def __call__(self, talk):
        talk.send(self.op, self.data, **self.how)

    def bytes(self, talk):
        talk.say(f"> {frames.NAMES.get(self.op, self.op)} "
                 f"{frames.brief(self.data)} {self.how or ''}")
        return talk.frame(self.op, self.data, **self.how)


def frame(op, data=b"", **how):
    return Send(op, data, how)


def text(data=b"", **how):
    return Send(TEXT, data, how)


def binary(data=b"", **how):
    return Send(BINARY, data, how)


def rest(data=b"", **how):
    """A continuation, the last frame of its message unless fin=False."""
    return Send(CONT, data, how)


def ping(data=b"", **how):
    return Send(PING, data, how)


def pong(data=b"", **how):
    return Send(PONG, data, how)


def close(code=None, reason=b"", **how):
    if isinstance(reason, str):
        reason = reason.encode()
    return Send(CLOSE, frames.close_payload(code, reason), how)


class Raw:
    """Bytes as they are; as the payload of a frame, masked by zeros."""

    def __init__(self, data):
        self.data = data

    def __call__(self, talk):
        talk.say(f"> bytes {frames.brief(self.data)}")
        talk.write(self.data)

    def bytes(self, talk):
        talk.say(f"> bytes {frames.brief(self.data)}")
        return self.data


def raw(data):
    return Raw(data)


class Head:
    """The head of a frame whose payload comes later, by raw()."""

    def __init__(self, op, length, **how):
        self.op, self.length, self.how = op, length, how

    def bytes(self, talk):
        talk.say(f"> head of opcode {self.op}, length {self.length} "
                 f"{self.how or ''}")
        mask = b"\0\0\0\0" if talk.as_client else None
        return frames.encode(self.op, mask=mask, length=self.length, **self.how)

    def __call__(self, talk):
        talk.write(self.bytes(talk))


def head(op, length, **how):
    return Head(op, length, **how)


def together(*sends):
    """In one write."""
    return lambda talk: talk.write(b"".join(s.bytes(talk) for s in sends))


def in_pieces(size, *sends, pause=PAUSE):
    """In writes of so many bytes."""
    def step(talk):
        talk.say(f"  {size} bytes at a time:")
        talk.chop(b"".join(s.bytes(talk) for s in sends), size, pause)
    return step


def split_at(place, *sends):
    """In two writes."""
    def step(talk):
        data = b"".join(s.bytes(talk) for s in sends)
        talk.write(data[:place])
        time.sleep(PAUSE)
        talk.write(data[place:])
    return step


# ---- what comes back ----

def gets_text(data=b""):
    data = data.encode() if isinstance(data, str) else data
    return lambda talk: talk.gets(TEXT, data)


def gets_binary(data=b""):
    return lambda talk: talk.gets(BINARY, data)


def gets_pong(data=b""):
    data = data.encode() if isinstance(data, str) else data
    return lambda talk: talk.gets(PONG, data)


def first_gets_text(data):
    """An echo before what follows is refused. A peer that sees both at once may
    answer the second only."""
    data = data.encode() if isinstance(data, str) else data

    def step(talk):
        event = talk.next()
        if event == Event(TEXT, data):
            return
        if event.kind not in (CLOSE, END):
            raise Broken(f"got {frames.describe(event)}")
        talk.variant("no echo of what stood before")
        talk.events.insert(0, event)
    return step


def gets_pongs(*payloads):
    """A pong for each ping; the last one alone would do (5.5.3)."""
    def step(talk):
        got = []
        while not got or got[-1] != payloads[-1]:
            event = talk.next()
            if event.kind != PONG or event.data not in payloads:
                raise Broken(f"got {frames.describe(event)}")
            got.append(event.data)
        if got != list(payloads):
            talk.variant(f"{len(got)} pongs for {len(payloads)} pings")
    return step


def gets_all(*wanted):
    """These events, in any order."""
    def step(talk):
        left = list(wanted)
        while left:
            event = talk.next()
            if event not in left:
                raise Broken(f"got {frames.describe(event)}, expected one of "
                             + ", ".join(frames.describe(e) for e in left))
            left.remove(event)
    return step


def quiet(talk):
    talk.quiet()


def bye(talk):
    talk.bye()


def refused(*codes):
    return lambda talk: talk.refused(codes)


def refused_any(*codes):
    return lambda talk: talk.refused(codes, all_alike=True)


def refused_now(*codes, later=()):
    """At once, though the frame is not at its end. A peer that looks only at
    whole frames, or messages, refuses after the steps `later`."""
    def step(talk):
        try:
            talk.refused(codes, SOON)
        except Late:
            talk.variant("refused only when all of it has come")
            for one in later:
                one(talk)
            talk.refused(codes)
    return step


def refused_or_awaited(*codes):
    """A peer without such a limit waits for what was announced."""
    def step(talk):
        try:
            talk.refused(codes, SOON)
        except Late:
            talk.variant("it waits for that much")
    return step


def refused_or_echo(codes, event):
    """A peer that is generous gives the echo."""
    def step(talk):
        got = talk.next()
        if got == event:
            talk.variant("accepted")
            talk.bye()
            return
        talk.events.insert(0, got)
        talk.refused(codes)
    return step


def ends(talk):
    talk.gets_end()
