"""Applications for the tests of `eddy serve --wsgi`: one that wsgiref's
validator watches, and one that does what it should not."""
import ctypes
import io
import os
import sys
import threading
import time
import wsgiref.validate

closed = []  # what close() was called of
writes = []  # errors of write(), and the like


class Closing:
    """An iterable that notes when it is closed."""

    def __init__(self, name, chunks):
        self.name = name
        self.chunks = iter(chunks)

    def __iter__(self):
        return self

    def __next__(self):
        return next(self.chunks)

    def close(self):
        closed.append(self.name)


def answer(start, body, *fields, status="200 OK"):
    start(status, [("Content-Type", "text/plain"), *fields])
    return [body]


# ---- what conforms ----


def environ(env, start):
    lines = (
        f"{key}={value!r}" for key, value in sorted(env.items())
        if isinstance(value, (str, bool, tuple))
    )
    return answer(start, "\n".join(lines).encode())


def echo(env, start):
    body = env["wsgi.input"].read(int(env.get("CONTENT_LENGTH", 0)))
    return answer(start, body, ("Content-Length", str(len(body))))


def lines(env, start):
    """The body, by readline(), iteration and readlines()."""
    stream = env["wsgi.input"]
    first = stream.readline()
    short = stream.readline(3)
    rest = stream.readlines()
    text = repr((first, short, rest, stream.read(10)))
    return answer(start, text.encode())


def pieces(env, start):
    start("200 OK", [("Content-Type", "text/plain")])
    return Closing("pieces", [b"", b"one ", b"", b"two ", b"three"])


def written(env, start):
    write = start("200 OK", [("Content-Type", "text/plain")])
    write(b"written ")
    return [b"and ", b"returned"]


def errors(env, start):
    env["wsgi.errors"].write("a line of ")
    env["wsgi.errors"].writelines(["errors \u00e9\u20ac\n", "and more\n"])
    env["wsgi.errors"].flush()
    return answer(start, b"told")


def empty(env, start):
    start("204 No Content", [])
    return []


def teapot(env, start):
    return answer(start, b"short and stout", status="418 I Am A Kettle")


conforming = {
    "/environ": environ, "/echo": echo, "/lines": lines, "/pieces": pieces,
    "/written": written, "/errors": errors, "/empty": empty,
    "/teapot": teapot,
}


def conform(env, start):
    return conforming[env["PATH_INFO"]](env, start)


validated = wsgiref.validate.validator(conform)


# ---- what does not, or is beyond the validator ----


def boom(env, start):
    raise ValueError("boom")


def late_boom(env, start):
    start("200 OK", [("Content-Type", "text/plain")])

    def body():
        yield b"some "
        raise ValueError("late boom")

    return Closing("late_boom", body())


def replaced(env, start):
    """The example of PEP 3333: nothing is sent for an empty chunk."""
    start("200 OK", [("X-First", "yes")])

    def body():
        yield b""
        try:
            raise ValueError("oops")
        except ValueError:
            start("500 Oops", [("Content-Type", "text/plain")],
                  sys.exc_info())
            yield b"error"

    return body()


def too_late(env, start):
    """exc_info behind what was sent raises it."""
    start("200 OK", [("Content-Type", "text/plain")])

    def body():
        yield b"sent"
        try:
            raise KeyError("given back")
        except KeyError:
            try:
                start("500 Oops", [], sys.exc_info())
            except KeyError:
                writes.append("raised")
                raise

    return body()


def twice(env, start):
    start("200 OK", [])
    start("200 OK", [])
    return [b"never"]


def never_started(env, start):
    return [b"never"]


def text_chunk(env, start):
    start("200 OK", [])
    return ["text"]


def split(env, start):
    start("200 OK", [("X-Split", "a\r\nX-Evil: b")])
    return [b"never"]


def hop(env, start):
    start("200 OK", [("Upgrade", "h2c")])
    return [b"never"]


def late_start(env, start):
    """start_response() as late as the first step of the iteration."""
    def body():
        start("200 OK", [("Content-Type", "text/plain")])
        yield b"late"

    return body()


def too_much(env, start):
    start("200 OK", [("Content-Length", "5")])
    return Closing("too_much", [b"hello world"])


def too_little(env, start):
    start("200 OK", [("Content-Length", "50")])
    return Closing("too_little", [b"hello"])


def big_stream(env, start):
    """16 MiB, which wait for the client somewhere else than in the thread."""
    block = b"x" * 65536
    start("200 OK", [("Content-Type", "application/octet-stream")])
    return Closing("big_stream", (block for _ in range(256)))


def big_bytes(env, start):
    start("200 OK", [("Content-Type", "application/octet-stream")])
    return [b"y" * (32 << 20)]


def slowly(env, start):
    start("200 OK", [("Content-Type", "text/plain")])

    def body():
        for n in range(3):
            yield b"%d\n" % n
            time.sleep(0.3)

    return body()


def served_file(env, start):
    file = open(__file__, "rb")
    file.seek(3)
    start("200 OK", [("Content-Type", "text/x-python")])
    return env["wsgi.file_wrapper"](file, 1000)


def served_buffer(env, start):
    start("200 OK", [("Content-Type", "text/plain")])
    return env["wsgi.file_wrapper"](io.BytesIO(b"z" * 100000), 1000)


def sleeping(env, start):
    time.sleep(float(env["QUERY_STRING"] or 1))
    return answer(start, b"slept\n")


def asleep_in_view():
    time.sleep(5)


def stuck(env, start):
    asleep_in_view()
    return answer(start, b"at last\n")


def counted(env, start):
    writes.append("counted")
    return answer(start, b"counted\n")


def noted(env, start):
    return answer(start, repr((closed, writes)).encode())


def threads(env, start):
    return answer(start, threading.current_thread().name.encode())


def whoami(env, start):
    return answer(start, f"{os.getpid()} {sys.prefix}\n".encode())


def fan_out(env, start):
    """Calls of the module `eddy`, if it is there: many at once, on the
    worker's own loop."""
    import eddy

    before = set(os.listdir("/proc/self/task"))
    began = time.monotonic()
    url = f"http://{env['HTTP_HOST']}/sleeping?0.3"
    calls = [eddy.fetch(url, timeout=20) for _ in range(3)]
    answers = eddy.gather(calls, timeout=20)
    more = len(set(os.listdir("/proc/self/task")) - before)
    bodies = b"".join(answer.content for answer in answers)
    took = time.monotonic() - began
    adopted = eddy.counts()["adopted"]
    return answer(
        start,
        f"{bodies!r} {more} more threads, adopted {adopted}\n".encode(),
        ("X-Took", f"{took:.2f}"),
    )


def burn(env, start):
    """Keeps the interpreter for 4 s, by a call that does not let it go."""
    ctypes.PyDLL(None).usleep(4_000_000)
    return answer(start, b"burnt\n")


def child(env, start):
    """A child process that can be ended."""
    import signal
    import subprocess
    process = subprocess.Popen(["sleep", "60"])
    time.sleep(0.2)
    process.terminate()
    return answer(start, b"%d %d" % (process.wait(10), -signal.SIGTERM))


wild = {
    f"/{f.__name__}": f
    for f in (
        boom, late_boom, replaced, too_late, twice, never_started, text_chunk,
        split, hop, late_start, too_much, too_little, big_stream, big_bytes,
        slowly, served_file, served_buffer, sleeping, stuck, counted, noted,
        threads, whoami, child, environ, echo, lines, teapot, burn,
        fan_out,
    )
}


def app(env, start):
    return wild[env["PATH_INFO"]](env, start)


def make():
    return app


class holder:
    inner = staticmethod(app)


not_callable = 3
