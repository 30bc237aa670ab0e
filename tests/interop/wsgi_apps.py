"""Applications for the tests of `eddy serve --wsgi`: one that wsgiref's
validator watches, and one that does what it should not."""
import concurrent.futures
import ctypes
import gzip
import io
import multiprocessing
import os
import signal
import sys
import tempfile
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


def unchanged(env, start):
    return answer(start, b"not sent", status="304 Not Modified")


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


class Counted(bytes):
    """A chunk of which it is known how many there are."""
    alive = most = 0

    def __init__(self, *_):
        Counted.alive += 1
        Counted.most = max(Counted.most, Counted.alive)

    def __del__(self):
        Counted.alive -= 1


def many_chunks(env, start):
    start("200 OK", [("Content-Type", "application/octet-stream")])
    return (Counted(b"x" * 65536) for _ in range(1000))


def most_chunks(env, start):
    return answer(start, str(Counted.most).encode())


def numbers(env, start):
    """16 MiB, of which each part is another."""
    start("200 OK", [("Content-Type", "text/plain")])
    return Closing("numbers", (
        b"".join(b"%07d\n" % n for n in range(begin, begin + 512))
        for begin in range(0, 1 << 21, 512)
    ))


def big_bytes(env, start):
    start("200 OK", [("Content-Type", "application/octet-stream")])
    return [b"y" * (32 << 20)]


tiny_made = 0


def tiny(env, start):
    """Three million chunks of a byte each."""
    def body():
        global tiny_made
        for tiny_made in range(3_000_000):
            yield b"x"

    start("200 OK", [("Content-Type", "text/plain")])
    return Closing("tiny", body())


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


def held(env, start):
    while not os.path.exists("go"):
        time.sleep(0.01)
    return answer(start, b"held\n")


def asleep_in_view():
    time.sleep(5)


def stuck(env, start):
    asleep_in_view()
    return answer(start, b"at last\n")


def counted(env, start):
    writes.append("counted")
    return answer(start, b"counted\n")


def noted(env, start):
    return answer(start, repr((closed, writes, tiny_made)).encode())


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
    import subprocess
    process = subprocess.Popen(["sleep", "60"])
    time.sleep(0.2)
    process.terminate()
    return answer(start, b"%d %d" % (process.wait(10), -signal.SIGTERM))


def untyped(env, start):
    """No Content-Type, in pieces of which nobody knows the length."""
    start("200 OK", [])
    return (chunk for chunk in (b"no ", b"type"))


def blank_reason(env, start):
    return answer(start, b"blank", status="200  All Right ")


def nothing_to_raise(env, start):
    """exc_info of no exception, when the head is out."""
    start("200 OK", [("Content-Type", "text/plain")])

    def body():
        yield b"sent"
        try:
            start("500 Oops", [], (None, None, None))
        except AssertionError:
            writes.append("nothing")
            raise

    return body()


def compressed(env, start):
    """A file that has a descriptor, and is read in another way."""
    file = tempfile.NamedTemporaryFile(suffix=".gz")
    with gzip.open(file.name, "wb") as out:
        out.write(b"plain " * 1000)
    start("200 OK", [("Content-Type", "text/plain")])
    return env["wsgi.file_wrapper"](gzip.open(file.name))


def ranged(env, start):
    """A part of a file, whose beginning is not read."""
    whole = env["wsgi.file_wrapper"](open(__file__, "rb"), 10)
    if not whole.seekable() or whole.seek(7) != 7 or whole.tell() != 7:
        return answer(start, b"not to be sought in")
    start("206 Partial Content", [("Content-Type", "text/plain")])
    return Closing("ranged", [next(whole)])


def temporary(env, start):
    """A file in a wrapper of Python's own."""
    file = tempfile.NamedTemporaryFile()
    file.write(b"skipped, kept")
    file.seek(9)
    start("200 OK", [("Content-Type", "text/plain")])
    return env["wsgi.file_wrapper"](file)


def line_reads(env, start):
    """How often the system was asked for a body that is read by lines."""
    def reads():
        with open("/proc/thread-self/io") as file:
            return int(file.read().split("syscr:")[1].split()[0])

    before = reads()
    count = sum(1 for _ in iter(env["wsgi.input"].readline, b""))
    return answer(start, repr((count, reads() - before)).encode())


def mixed_reads(env, start):
    """Lines, small pieces and large ones, in turn."""
    stream, parts = env["wsgi.input"], []
    while True:
        more = [stream.readline(), stream.read(1000), stream.read(100_000)]
        parts += more
        if not any(more):
            return answer(start, b"".join(parts))


def nul(env, start):
    env["wsgi.errors"].write("before\0behind\n")
    return answer(start, b"told")


# ---- processes and threads that an application starts ----


def ended(pid):
    """How a child ended: its status, or None when it goes on."""
    for _ in range(100):
        got, status = os.waitpid(pid, os.WNOHANG)
        if got:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.03)
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    return None


def fork_and_exit(env, start):
    pid = os.fork()
    if not pid:
        sys.exit(3)
    return answer(start, repr(ended(pid)).encode())


def fork_and_return(env, start):
    """A child that comes back, and answers as well."""
    pid = os.fork()
    if not pid:
        return answer(start, b"of the child")
    return answer(start, repr(ended(pid)).encode())


def fork_and_end(env, start):
    """A child that does as it is told by SIGTERM."""
    pid = os.fork()
    if not pid:
        time.sleep(60)
        os._exit(0)
    time.sleep(0.1)
    os.kill(pid, signal.SIGTERM)
    return answer(start, repr(ended(pid)).encode())


def process(env, start):
    """A child of multiprocessing, of a thread that has been asked its name."""
    threading.current_thread()
    child = multiprocessing.get_context("fork").Process(target=int)
    child.start()
    child.join(10)
    return answer(start, repr(child.exitcode).encode())


def written_elsewhere(env, start):
    """write() on a thread that goes on when the request is over."""
    write = start("200 OK", [("Content-Type", "text/plain")])

    def go_on():
        try:
            while True:
                write(b"w" * 100_000)
        except (ConnectionError, RuntimeError):
            writes.append("elsewhere")

    threading.Thread(target=go_on, daemon=True).start()
    time.sleep(0.2)
    return []


def later(env, start):
    """Work that is not done when the reply is."""
    def work():
        time.sleep(0.7)
        os.write(2, b"done later\n")

    concurrent.futures.ThreadPoolExecutor(1).submit(work)
    return answer(start, b"accepted")


def endless(env, start):
    threading.Thread(target=time.sleep, args=(600,)).start()
    return answer(start, b"begun")


wild = {
    f"/{f.__name__}": f
    for f in (
        boom, late_boom, replaced, too_late, twice, never_started, text_chunk,
        split, hop, late_start, too_much, too_little, big_stream, big_bytes,
        slowly, served_file, served_buffer, sleeping, held, stuck, counted, noted,
        threads, whoami, child, environ, echo, lines, teapot, unchanged, burn,
        fan_out, untyped, blank_reason, nothing_to_raise, compressed,
        tiny, numbers, ranged, many_chunks, most_chunks, temporary, line_reads, mixed_reads, nul, fork_and_exit,
        process, fork_and_return, fork_and_end, written_elsewhere, later, endless,
    )
}


def app(env, start):
    return wild[env["PATH_INFO"]](env, start)


def make():
    return app


class holder:
    inner = staticmethod(app)


not_callable = 3
