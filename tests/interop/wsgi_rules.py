"""Speaks to `eddy serve --wsgi wsgi_apps:...` byte by byte and checks the rules
of PEP 3333: wsgi_rules.py PORT-OF-VALIDATED PORT-OF-WILD."""
import ast
import pathlib
import socket
import sys
import time

validated, wild = int(sys.argv[1]), int(sys.argv[2])
passed = failed = 0


def check(promise, holds, instead=""):
    global passed, failed
    if holds:
        passed += 1
    else:
        failed += 1
        print(f"failed: {promise}\n{instead!r}")


class Reply:
    """What came back, unpacked."""

    def __init__(self, raw):
        self.raw = raw
        head, _, rest = raw.partition(b"\r\n\r\n")
        lines = head.decode("latin-1").split("\r\n")
        self.status = lines[0]
        self.fields = {}
        for line in lines[1:]:
            name, _, value = line.partition(": ")
            self.fields.setdefault(name.lower(), value)
        self.chunked = self.fields.get("transfer-encoding") == "chunked"
        self.body, self.whole = unchunk(rest) if self.chunked else (rest, True)


def unchunk(rest):
    body, at = bytearray(), 0
    while True:
        end = rest.find(b"\r\n", at)
        if end < 0:
            return bytes(body), False
        size = int(rest[at:end], 16)
        if not size:
            return bytes(body), True
        body += rest[end + 2:end + 2 + size]
        at = end + 2 + size + 2
        if len(rest) < at:
            return bytes(body), False


def exchange(port, request):
    with socket.create_connection(("127.0.0.1", port), 20) as s:
        s.sendall(request)
        raw = bytearray()
        try:
            while piece := s.recv(1 << 20):
                raw += piece
        except ConnectionResetError:
            pass
        return Reply(bytes(raw))


def get(port, target, *fields, method="GET", version="1.1", body=b""):
    head = [f"{method} {target} HTTP/{version}", "Host: shop.example:81",
            "Connection: close", *fields]
    if body:
        head.append(f"Content-Length: {len(body)}")
    return exchange(port, "\r\n".join(head).encode() + b"\r\n\r\n" + body)


# ---- the environ ----

reply = get(validated, "/environ?a=b%20c", "X-Twice: 1", "X-Twice: 2",
            "Cookie: a=1", "Cookie: b=2", "X_Sneaky: 1", "Proxy: evil:1",
            "Content-Type: text/x", "X-Latin: \u00e9".encode("latin-1").decode("latin-1"))
env = {}
for line in reply.body.decode().splitlines():
    key, _, value = line.partition("=")
    env[key] = ast.literal_eval(value)
for key, value in {
    "REQUEST_METHOD": "GET", "SCRIPT_NAME": "", "PATH_INFO": "/environ",
    "QUERY_STRING": "a=b%20c", "SERVER_NAME": "shop.example",
    "SERVER_PORT": "81", "SERVER_PROTOCOL": "HTTP/1.1",
    "REMOTE_ADDR": "127.0.0.1", "HTTP_HOST": "shop.example:81",
    "HTTP_X_TWICE": "1,2", "HTTP_COOKIE": "a=1; b=2",
    "CONTENT_TYPE": "text/x", "wsgi.version": (1, 0),
    "wsgi.url_scheme": "http", "wsgi.multithread": True,
    "wsgi.run_once": False, "wsgi.input_terminated": True,
    "RAW_URI": "/environ?a=b%20c",
}.items():
    check(f"{key} is right", env.get(key) == value, env.get(key))
for key in "HTTP_X_SNEAKY", "HTTP_PROXY", "CONTENT_LENGTH", "HTTP_CONTENT_TYPE":
    check(f"{key} is left out", key not in env, env.get(key))
check("the request's id is told", len(env.get("eddy.request_id", "")) > 8, env)
check("a field of bytes is latin-1", env["HTTP_X_LATIN"] == "\u00c3\u00a9", env)

path = get(wild, "/environ%3Fx/..%2Fy")
check("an unknown path is the application's", "500" in path.status, path.raw)
reply = get(wild, "/%65nviron")
check("the path is decoded", b"PATH_INFO='/environ'" in reply.body, reply.raw)
reply = get(wild, "/environ", version="1.0")
check("1.0 is told", b"SERVER_PROTOCOL='HTTP/1.0'" in reply.body, reply.raw)
reply = exchange(wild, b"GET /environ HTTP/1.0\r\n\r\n")
check("there is a server's name without Host",
      b"SERVER_NAME='127.0.0.1'" in reply.body
      and f"SERVER_PORT='{wild}'".encode() in reply.body, reply.raw)

reply = exchange(wild, b"GET http://other.example:99/environ HTTP/1.1\r\n"
                 b"Host: shop.example\r\nConnection: close\r\n\r\n")
check("the host of an absolute target counts",
      b"HTTP_HOST='other.example:99'" in reply.body
      and b"SERVER_NAME='other.example'" in reply.body
      and b"PATH_INFO='/environ'" in reply.body, reply.raw)
for line in b"OPTIONS * HTTP/1.1", b"CONNECT other.example:443 HTTP/1.1":
    reply = exchange(validated, line + b"\r\nHost: other.example:443\r\n"
                     b"Connection: close\r\n\r\n")
    check(f"no application is asked for {line}", " 404 " in reply.status,
          reply.raw)

# ---- the input ----

reply = get(validated, "/echo", method="POST", body=b"hello")
check("a body is read", reply.body == b"hello", reply.raw)
text = b"first\nsecond\nthird\nlast"
reply = get(wild, "/lines", method="POST", body=text)
wanted = (b"first\n", b"sec", [b"ond\n", b"third\n", b"last"], b"")
check("and by lines", reply.body.decode() == repr(wanted), reply.raw)
big = b"0123456789abcdef\n" * 40000
reply = get(wild, "/echo", method="POST", body=big)
check("a large one, which lies in a file", reply.body == big, len(reply.body))
reply = get(wild, "/lines", method="POST", body=b"a" * 300000 + b"\nabcd\ne")
wanted = (b"a" * 300000 + b"\n", b"abc", [b"d\n", b"e"], b"")
check("by lines as well", reply.body.decode() == repr(wanted), reply.raw[:200])
reply = get(wild, "/mixed_reads", method="POST", body=big)
check("lines and pieces may be read in turn", reply.body == big,
      len(reply.body))
count, reads = ast.literal_eval(
    get(wild, "/line_reads", method="POST", body=big).body.decode())
check("lines in a file do not cost a system call each",
      count == 40000 and reads < 100, (count, reads))
chunked = (b"POST /echo HTTP/1.1\r\nHost: a\r\nConnection: close\r\n"
           b"Transfer-Encoding: chunked\r\n\r\n"
           b"5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n")
reply = exchange(validated, chunked)
check("chunks are unpacked", reply.body == b"hello world", reply.raw)
reply = exchange(wild, chunked.replace(b"/echo", b"/environ"))
check("with a length, and no coding",
      b"CONTENT_LENGTH='11'" in reply.body
      and b"TRANSFER_ENCODING" not in reply.body, reply.raw)
reply = exchange(wild, b"POST /echo HTTP/1.1\r\nHost: a\r\n"
                 b"Content-Length: 999999999\r\n\r\n")
check("a body over the limit is refused", " 413 " in reply.status, reply.raw)

with socket.create_connection(("127.0.0.1", wild), 20) as s:
    s.sendall(b"POST /echo HTTP/1.1\r\nHost: a\r\nConnection: close\r\n"
              b"Content-Length: 5\r\nExpect: 100-continue\r\n\r\n")
    first = s.recv(1000)
    check("100 Continue is sent for who expects it",
          first == b"HTTP/1.1 100 Continue\r\n\r\n", first)
    s.sendall(b"hello")
    rest = b""
    while piece := s.recv(1000):
        rest += piece
    check("and then the reply", rest.endswith(b"hello"), rest)

# ---- the reply ----

reply = get(validated, "/pieces")
check("pieces are chunked",
      reply.chunked and reply.whole and reply.body == b"one two three",
      reply.raw)
reply = get(validated, "/pieces", version="1.0")
check("but not for 1.0",
      not reply.chunked and reply.body == b"one two three", reply.raw)
reply = get(validated, "/written")
check("what is written comes before what is returned",
      reply.body == b"written and returned", reply.raw)
reply = get(validated, "/errors")
check("there is wsgi.errors", reply.body == b"told", reply.raw)
reply = get(validated, "/empty")
check("204 has no body, nor length",
      " 204 " in reply.status and "content-length" not in reply.fields
      and not reply.body, reply.raw)
reply = get(wild, "/unchanged")
check("nor has 304, and none is made up",
      " 304 " in reply.status and "content-length" not in reply.fields
      and not reply.body, reply.raw)
reply = get(validated, "/teapot")
check("the reason is the application's",
      reply.status == "HTTP/1.1 418 I Am A Kettle", reply.raw)
reply = get(wild, "/teapot")
check("one chunk has its length", reply.fields.get("content-length") == "15",
      reply.raw)
check("Date and Server are the server's",
      "date" in reply.fields and "server" in reply.fields, reply.raw)
reply = get(validated, "/echo", method="HEAD")
check("HEAD has a head only",
      "200 OK" in reply.status and not reply.body, reply.raw)
reply = get(wild, "/replaced")
check("until something is sent, the head may be replaced",
      reply.status == "HTTP/1.1 500 Oops" and reply.body == b"error"
      and "x-first" not in reply.fields, reply.raw)
reply = get(wild, "/too_late")
check("after that it is too late: the connection is cut",
      reply.body == b"sent" and not reply.whole, reply.raw)
reply = get(wild, "/nothing_to_raise")
check("nor is there nothing to be raised", reply.body == b"sent"
      and not reply.whole, reply.raw)
reply = get(wild, "/blank_reason")
check("blanks around the reason are not its own",
      reply.status == "HTTP/1.1 200 All Right" and reply.body == b"blank",
      reply.raw)
reply = get(wild, "/untyped")
check("a stream without a type gets none",
      reply.body == b"no type" and "content-type" not in reply.fields,
      reply.raw)
for path in ("/boom", "/twice", "/never_started", "/text_chunk", "/split",
             "/hop"):
    reply = get(wild, path)
    check(f"{path} is a 500",
          reply.status == "HTTP/1.1 500 Internal Server Error"
          and b"Evil" not in reply.raw, reply.raw)
reply = get(wild, "/late_boom")
check("an exception in the midst cuts the connection",
      reply.body == b"some " and not reply.whole, reply.raw)
reply = get(wild, "/late_start")
check("start_response() may be called late", reply.body == b"late", reply.raw)
reply = get(wild, "/too_much")
check("more than the length is not sent",
      reply.body == b"hello" and reply.fields["content-length"] == "5",
      reply.raw)
reply = get(wild, "/too_little")
check("less than the length cuts the connection", reply.body == b"hello",
      reply.raw)
reply = get(wild, "/big_stream")
check("a long stream", reply.whole and len(reply.body) == 16 << 20,
      len(reply.body))
reply = get(wild, "/big_bytes")
check("a large body has its length",
      len(reply.body) == 32 << 20
      and reply.fields.get("content-length") == str(32 << 20),
      len(reply.body))

own = pathlib.Path(__file__).with_name("wsgi_apps.py").read_bytes()[3:]
reply = get(wild, "/served_file")
check("a file, from where it stands, with its length",
      reply.body == own and reply.fields.get("content-length") == str(len(own)),
      reply.raw[:200])
reply = get(wild, "/served_buffer")
check("what is no file is read", reply.body == b"z" * 100000, reply.raw[:200])
reply = get(wild, "/compressed")
check("a compressed file is read, not sent as it lies there",
      reply.body == b"plain " * 1000, reply.raw[:200])
reply = get(wild, "/ranged")
check("a range is sought, not read up to", reply.body == own[4:14],
      reply.raw[:200])
reply = get(wild, "/temporary")
check("a temporary file is sent", reply.body == b"kept"
      and reply.fields.get("content-length") == "4", reply.raw[:200])

began = time.monotonic()
with socket.create_connection(("127.0.0.1", wild), 20) as s:
    s.sendall(b"GET /slowly HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
    raw = b""
    while b"0\n" not in raw:
        raw += s.recv(1000)
    early = b"2\n" not in raw
    while piece := s.recv(1000):
        raw += piece
check("each piece is sent before the next is asked for", early, raw)
check("to the last one", Reply(raw).body == b"0\n1\n2\n", raw)

# Requests behind one another on a connection.
with socket.create_connection(("127.0.0.1", wild), 20) as s:
    s.sendall(b"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\none"
              b"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n"
              b"Connection: close\r\n\r\ntwo")
    raw = b""
    while piece := s.recv(1000):
        raw += piece
check("several requests of a connection are answered in order",
      raw.index(b"one") < raw.index(b"two") and raw.count(b"200 OK") == 2, raw)

# ---- clients that are slow, or leave ----

with socket.create_connection(("127.0.0.1", wild), 20) as slow:
    slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    slow.sendall(b"GET /big_bytes HTTP/1.1\r\nHost: a\r\n\r\n")
    time.sleep(0.3)
    hogs = [socket.create_connection(("127.0.0.1", wild), 20)
            for _ in range(8)]
    for hog in hogs:
        hog.sendall(b"POST /echo HTTP/1.1\r\nHost: a\r\n"
                    b"Content-Length: 9\r\n\r\nhalf")
    time.sleep(0.2)
    reply = get(wild, "/echo", method="POST", body=b"x")
    check("slow clients hold up no thread", reply.body == b"x", reply.raw)
    for hog in hogs:
        hog.close()

# Nor do they when it is made as it is sent.
slow = [socket.create_connection(("127.0.0.1", wild), 20) for _ in range(3)]
for s in slow:
    s.sendall(b"GET /numbers HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
time.sleep(0.3)
try:
    reply = get(wild, "/echo", method="POST", body=b"x").body
except TimeoutError:
    reply = None
check("nor do slow readers of streams", reply == b"x", reply)
numbers = b"".join(b"%07d\n" % n for n in range(1 << 21))
for s in slow:
    raw = bytearray()
    while piece := s.recv(1 << 20):
        raw += piece
    reply = Reply(bytes(raw))
    check("who get all of it in order", reply.whole and reply.body == numbers,
          len(reply.body))
    s.close()

leaver = socket.create_connection(("127.0.0.1", wild), 20)
leaver.sendall(b"GET /big_stream HTTP/1.1\r\nHost: a\r\n\r\n")
leaver.recv(1000)
leaver.close()
for _ in range(100):
    notes = get(wild, "/noted").body.decode()
    closed, writes, _ = ast.literal_eval(notes)
    if closed.count("big_stream") == 2:
        break
    time.sleep(0.05)
check("what a client leaves is closed, too", closed.count("big_stream") == 2,
      closed)
for name in "late_boom", "too_much", "too_little":
    check(f"{name} was closed", closed.count(name) == 1, closed)
check("exc_info was raised when it was too late",
      writes == ["raised", "nothing"], writes)

reply = get(wild, "/child")
check("programs that are started take signals", reply.body == b"-15 -15",
      reply.raw)

reply = get(wild, "/threads")
check("a thread has a name", reply.body in (b"eddy-1", b"eddy-2"), reply.raw)
reply = get(wild, "/process")
check("one of multiprocessing ends well", reply.body == b"0", reply.raw)
reply = get(wild, "/fork_and_exit")
check("a process that was forked may exit", reply.body == b"3", reply.raw)
reply = get(wild, "/fork_and_return")
check("one that comes back ends, and does not answer",
      reply.body == b"1" and reply.raw.count(b"HTTP/1.1") == 1, reply.raw)
reply = get(wild, "/fork_and_end")
check("one takes signals", reply.body == b"-15", reply.raw)

leaver = socket.create_connection(("127.0.0.1", wild), 20)
leaver.sendall(b"GET /written_elsewhere HTTP/1.1\r\nHost: a\r\n\r\n")
time.sleep(0.5)
leaver.close()
for _ in range(100):
    writes = ast.literal_eval(get(wild, "/noted").body.decode())[1]
    if "elsewhere" in writes:
        break
    time.sleep(0.05)
check("write() on another thread ends with the request",
      "elsewhere" in writes, writes)

print(f"{passed} passed, {failed} failed")
sys.exit(failed > 0)
