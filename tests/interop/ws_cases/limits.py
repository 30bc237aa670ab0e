"""
limits.py - large messages, many messages, and messages cut into many parts.
"""

from cases import bye, case, dialogue
from frames import BINARY, TEXT, Broken
from framing import MIB, fitted, letters, octets

KIB = 1024
ROUNDS, ROUNDS_FULL = 150, 1000

# Characters of all lengths, for text that is not only ASCII.
WIDE = ("abc é ж € 日本 🌀 " * 37).encode()


def wide(size):
    """Valid UTF-8 of at most that size."""
    return fitted(WIDE, size).decode(errors="ignore").encode()


KINDS = {"text": (TEXT, letters), "binary": (BINARY, octets),
         "wide": (TEXT, wide)}


def echo(kind, size, every=0, chop=0):
    op, make = KINDS[kind]

    def step(talk):
        data = make(size)
        talk.message(op, data, every, chop)
        talk.gets(op, data)
    return step


def rounds(kind, size, every=0):
    """One message after the other comes back."""
    def run(target, count):
        op, make = KINDS[kind]
        with target.open() as talk:
            data = make(size)
            for _ in range(count):
                talk.message(op, data, every)
                talk.gets(op, data)
            talk.bye()
    return run


def in_a_row(kind, size):
    """All are sent before the first is awaited."""
    def run(target, count):
        op, make = KINDS[kind]
        with target.open() as talk:
            data = make(size)
            talk.say(f"> {count} messages")
            talk.write(b"".join(talk.frame(op, data) for _ in range(count)))
            for _ in range(count):
                talk.gets(op, data)
            talk.bye()
    return run


def counted(name, promise, run):
    """In short, and, when all is asked for, at length."""
    yield case(f"{name}.{ROUNDS}", promise.format(ROUNDS),
               lambda target: run(target, ROUNDS))
    yield case(f"{name}.{ROUNDS_FULL}", promise.format(ROUNDS_FULL),
               lambda target: run(target, ROUNDS_FULL), full=True)


def large():
    for kind in KINDS:
        for size in (64 * KIB, 256 * KIB, MIB, 4 * MIB, 8 * MIB, 16 * MIB):
            yield dialogue(f"limits.size.{kind}.{size}",
                           f"{kind} of {size} bytes comes back",
                           echo(kind, size), bye,
                           full=size in (8 * MIB, 4 * MIB))


def fragmented():
    for kind in KINDS:
        for size, full in ((MIB, False), (4 * MIB, True)):
            for every in (64, 256, KIB, 4 * KIB, 16 * KIB, 64 * KIB, 256 * KIB,
                          MIB, 4 * MIB):
                if every > size:
                    continue
                yield dialogue(f"limits.fragments.{kind}.{size}.{every}",
                               f"{kind} of {size} bytes in frames of {every} "
                               "comes back", echo(kind, size, every), bye,
                               full=full or (kind == "wide" and every != 64))


def chopped():
    for kind in KINDS:
        for chop in 64, 128, 256, 512, 1024, 2048, 4096, 65537:
            yield dialogue(f"limits.chops.{kind}.{chop}",
                           f"{kind} of 1 MiB in writes of {chop} comes back",
                           echo(kind, MIB, 0, chop), bye,
                           full=chop not in (64, 1024))


def many():
    for kind in KINDS:
        for size in 0, 16, 64, 256, KIB, 4 * KIB, 8 * KIB:
            yield from counted(f"limits.rounds.{kind}.{size}",
                               "{} times " + f"{kind} of {size} bytes comes "
                               "back", rounds(kind, size))
        yield from counted(f"limits.row.{kind}", "{} messages sent at once come"
                           " back", in_a_row(kind, KIB))
        # As libraries do that cut what they send by themselves.
        for size, every in ((4 * KIB, 256), (64 * KIB, 1300)):
            yield from counted(f"limits.cut.{kind}.{size}.{every}", "{} times "
                               f"{kind} of {size} bytes in frames of {every} "
                               "comes back", rounds(kind, size, every))


def growing_connections(target):
    """Twenty at once, all alive."""
    talks = [target.open() for _ in range(20)]
    for turn in range(3):
        for i, talk in enumerate(talks):
            talk.send(TEXT, b"%d of %d" % (turn, i))
        for i, talk in enumerate(talks):
            talk.gets(TEXT, b"%d of %d" % (turn, i))
    for talk in talks:
        talk.bye()
        talk.sock.close()


def no_mixing(target):
    """What one connection has begun is not finished by another."""
    with target.open() as one, target.open() as other:
        one.send(TEXT, b"one ", fin=False)
        other.send(TEXT, b"other ", fin=False)
        one.send(0, b"of two")
        other.send(0, b"of two")
        one.gets(TEXT, b"one of two")
        other.gets(TEXT, b"other of two")
        if one.events or other.events:
            raise Broken("more comes than was sent")
        one.bye()
        other.bye()


limits = [
    *large(), *fragmented(), *chopped(), *many(),
    case("limits.beside", "connections live beside each other",
         growing_connections, role="server"),
    case("limits.apart", "connections do not mix", no_mixing, role="server"),
]
