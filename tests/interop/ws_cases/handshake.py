"""
handshake.py - cases of RFC 6455, 4.2 for a server: which requests become
WebSockets, which do not, and what it says to those.
"""

import socket
import time

import frames
from cases import case, bye, gets_text, text
from frames import TEXT, Broken
from framing import letters
from talk import Late
from targets import read_head

KEY = "dGhlIHNhbXBsZSBub25jZQ=="  # the RFC's own
BAD = 400,
NOT_HERE = 400, 404, 405, 426, 501
ANY = ()  # a server may serve something else there


def server_case(name, promise, run):
    return case("handshake." + name, promise, run, role="server")


# ---- what is taken ----

def accepted(**request):
    """The handshake is done, and a message comes back."""
    def run(target):
        with target.open(**request) as talk:
            for step in (text("Hello"), gets_text("Hello"), bye):
                step(talk)
    return run


def with_names(change):
    """Names of fields in another case."""
    def run(target):
        request, key = target.request()
        lines = request.decode().split("\r\n")
        changed = [lines[0], *(change(line.partition(":")[0])
                               + "".join(line.partition(":")[1:])
                               for line in lines[1:])]
        sock, head = target.ask("\r\n".join(changed).encode())
        with sock:
            if head is None:
                raise Broken("the server ends without an answer")
            target.check(head, key, None)
    return run


def rides_behind(data, chop=0):
    """Frames behind the request, before the answer is there."""
    def run(target):
        first = frames.encode(TEXT, data, mask=b"abcd")
        with target.open(first=first, chop=chop) as talk:
            for step in (gets_text(data), text("then"), gets_text("then"), bye):
                step(talk)
    return run


def every_cut(target):
    """Request and first frame in two writes, cut anywhere around the end of the
    request."""
    first = frames.encode(TEXT, b"Hello", mask=b"abcd")
    for cut in range(-6, len(first)):
        request, key = target.request()
        whole = request + first
        place = len(request) + cut
        with target.connect() as sock:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            sock.sendall(whole[:place])
            time.sleep(0.0005)
            sock.sendall(whole[place:])
            head = read_head(sock, target.patience)
            if head is None:
                raise Broken(f"cut at {cut}: no answer")
            target.check(head, key, None)
            talk = target.talk(sock, True)
            talk.take(head.rest)
            gets_text("Hello")(talk)
            bye(talk)


def pings_behind(target):
    first = b"".join(frames.encode(frames.PING, b"%d" % i, mask=b"abcd")
                     for i in range(3)) + frames.encode(
                         frames.CLOSE, b"\x03\xe8", mask=b"abcd")
    with target.open(first=first) as talk:
        event = talk.next()
        while event.kind == frames.PONG:
            event = talk.next()
        if event.kind != frames.CLOSE:
            raise Broken(f"got {frames.describe(event)}")


def no_protocol(target):
    """None was asked for, so none is given."""
    with target.open() as talk:
        if talk.head.fields["sec-websocket-protocol"]:
            raise Broken("it names a subprotocol that nobody asked for")
        if talk.head.fields["sec-websocket-extensions"]:
            raise Broken("it names an extension that nobody offered")
        bye(talk)


def one_of_protocols(target):
    with target.open(Sec_WebSocket_Protocol="one, two") as talk:
        chosen = talk.head.fields["sec-websocket-protocol"]
        if len(chosen) > 1 or set(chosen) - {"one", "two"}:
            raise Broken(f"it chooses {chosen}")
        bye(talk)


def known_key(target):
    """The RFC's own example."""
    request, _ = target.request(Sec_WebSocket_Key=KEY)
    sock, head = target.ask(request)
    with sock:
        got = head and head.fields["sec-websocket-accept"]
        if got != ["s3pPLMBiTxaQ9kYGzzhZRbK+xOo="]:
            raise Broken(f"Sec-WebSocket-Accept: {got}")


def any_key(target):
    request, _ = target.request(Sec_WebSocket_Key="+/+/+/+/+/+/+/+/+/+/+w==")
    sock, head = target.ask(request)
    with sock:
        if head is None or " 101 " not in head.first:
            raise Broken("it is refused")


CONNECTIONS = {
    "lower": "upgrade", "upper": "UPGRADE", "list": "keep-alive, Upgrade",
    "list_first": "Upgrade, keep-alive", "tight": "keep-alive,Upgrade",
    "empty_items": ", ,keep-alive,, Upgrade,", "tab": "keep-alive,\tUpgrade",
    "many": "a, b, c, upgrade, d",
}

accepts = [
    *(server_case(f"connection.{name}", f"Connection: {value!r} is understood",
                  accepted(Connection=value))
      for name, value in CONNECTIONS.items()),
    server_case("connection.two", "Connection may be two fields",
                accepted(Connection="keep-alive",
                         more=["Connection: Upgrade"])),
    *(server_case(f"upgrade.{value}", "the case of Upgrade does not matter",
                  accepted(Upgrade=value))
      for value in ("WebSocket", "WEBSOCKET")),
    server_case("names.lower", "names of fields may be lower case",
                with_names(str.lower)),
    server_case("names.upper", "or upper case", with_names(str.upper)),
    server_case("names.swapped", "or mixed", with_names(str.swapcase)),
    server_case("spaces", "values may have spaces around them",
                accepted(more=["X-Spaces:   a   "], Connection="  Upgrade\t")),
    server_case("bytewise", "the request may come one byte at a time",
                accepted(chop=1)),
    server_case("large", "other fields may be large",
                accepted(Cookie="c" * 4000)),
    server_case("many", "there may be many others",
                accepted(more=[f"X-{i}: {i}" for i in range(40)])),
    server_case("key", "the answer to the RFC's key is the RFC's", known_key),
    server_case("key.slashes", "a key may have any of base64's characters",
                any_key),
    server_case("protocol.none", "nothing is agreed on that nobody asked for",
                no_protocol),
    server_case("protocol.unknown", "of subprotocols one is chosen, or none",
                one_of_protocols),
    server_case("extension.unknown", "unknown extensions are passed over",
                accepted(offer="x-webkit-deflate-frame, x-unknown; a=1; b")),
    server_case("behind", "a frame may ride behind the request",
                rides_behind(b"Hello")),
    server_case("behind.large", "also a large one",
                rides_behind(letters(100000))),
    server_case("behind.bytewise", "also one byte at a time",
                rides_behind(b"Hello", 1)),
    server_case("behind.cuts", "request and frame may be cut anywhere",
                every_cut),
    server_case("behind.close", "a close may ride behind the request",
                pings_behind),
]

# ---- what is not ----

TAKEN = "it is taken"


def status_of(head):
    return int(head.first.split(" ")[1])


def answer_to(target, request):
    """The answer's head; what comes behind a refusal is no frame."""
    sock, head = target.ask(request + frames.encode(TEXT, b"no", mask=b"abcd"))
    talk = target.talk(sock, True)
    with talk:
        first = request.decode("latin-1").split("\r\n")[0]
        talk.say(f"> {first}")
        if head is None:
            talk.say("< end")
            return None
        talk.say(f"< {head.first}")
        if status_of(head) != 101:
            return head
        raise Broken(TAKEN)


def turned_down(*statuses, **request):
    """With one of these statuses, any if none is given."""
    def run(target):
        head = answer_to(target, target.request(**request)[0])
        if head is None:
            target.note("the connection ends without an answer")
        elif statuses and status_of(head) not in statuses:
            raise Broken(f"it is answered by {head.first!r}, not by "
                         + " or ".join(map(str, statuses)))
    return run


def wrong_version(version):
    """426 and the version it should have been (4.4)."""
    def run(target):
        asked = {"Sec_WebSocket_Version": version} if version else \
            {"drop": ["Sec-WebSocket-Version"]}
        head = answer_to(target, target.request(**asked)[0])
        if head is None:
            raise Broken("the connection ends without an answer")
        if status_of(head) not in (400, 426):
            raise Broken(f"it is answered by {head.first!r}")
        if status_of(head) != 426:
            target.note("the status is not 426")
        elif not any("13" in value for value in
                     head.fields["sec-websocket-version"]):
            raise Broken("the answer does not say which version is spoken")
    return run


def body_is_no_frame(target):
    """A GET with a body that looks like a frame."""
    body = frames.encode(TEXT, b"smuggled", mask=b"abcd")
    request, key = target.request(Content_Length=str(len(body)))
    sock, head = target.ask(request + body)
    with sock:
        if head is None or not head.first.startswith("HTTP/1.1 101"):
            return
        target.check(head, key, None)
        talk = target.talk(sock, True)
        talk.take(head.rest)
        try:
            event = talk.next(0.3)
        except Late:
            bye(talk)
            return
        raise Broken(f"a body is read as a frame: {frames.describe(event)}")


BAD_KEYS = {
    "empty": "", "short": "c2hvcnQ=", "fifteen": "MTIzNDU2Nzg5MDEyMzQ1",
    "seventeen": "MTIzNDU2Nzg5MDEyMzQ1Njc=", "no_base64": "!" * 22 + "==",
    "no_padding": "dGhlIHNhbXBsZSBub25jZQ", "spaces": "dGhlIHNhbXBs ZSBub25jZQ",
    "long": "A" * 2000 + "==", "one_pad": "dGhlIHNhbXBsZSBub25jZQ=",
}

FOREIGN_ORIGINS = {
    "other": "http://evil.example", "null": "null",
    "port": "http://127.0.0.1:1", "prefix": "http://127.0.0.1.evil.example",
    "user": "http://127.0.0.1@evil.example", "garbage": "%%%",
    "file": "file://", "sub": "http://a.127.0.0.1",
    "list": "http://evil.example, http://127.0.0.1",
}


def own_origin(target):
    accepted(Origin=f"http://{target.host}")(target)


def foreign_origin(origin):
    """A server that leaves that to its programs takes it."""
    def run(target):
        try:
            turned_down(403, Origin=origin)(target)
        except Broken as why:
            if str(why) != TAKEN:
                raise
            target.note("pages of other sites may connect")
    return run


refusals = [
    *(server_case(f"version.{version or 'none'}",
                  f"version {version or 'without number'} is told which it "
                  "should be", wrong_version(version))
      for version in ("0", "7", "8", "12", "14", "131", "1", "abc", "-13",
                      "")),
    *(server_case(f"bad_key.{name}", f"the key {value[:30]!r} is refused",
                  turned_down(*BAD, Sec_WebSocket_Key=value))
      for name, value in BAD_KEYS.items()),
    server_case("no_key", "a handshake without a key is refused",
                turned_down(*BAD, drop=["Sec-WebSocket-Key"])),
    server_case("two_keys", "one with two keys is refused",
                turned_down(*BAD, more=["Sec-WebSocket-Key: " + KEY])),
    server_case("two_versions", "one with two versions is refused",
                turned_down(400, 426, more=["Sec-WebSocket-Version: 8"])),
    server_case("no_upgrade", "a request without Upgrade is none",
                turned_down(*NOT_HERE, drop=["Upgrade"])),
    server_case("other_upgrade", "nor is one to something else",
                turned_down(*NOT_HERE, Upgrade="h2c")),
    server_case("like_upgrade", "nor is one to what only begins so",
                turned_down(*NOT_HERE, Upgrade="websockets")),
    server_case("no_connection", "nor is one without Connection",
                turned_down(*NOT_HERE, drop=["Connection"])),
    server_case("other_connection", "nor with one that does not say so",
                turned_down(*NOT_HERE, Connection="keep-alive")),
    server_case("like_connection", "nor with one that only looks like it",
                turned_down(*NOT_HERE, Connection="Upgraded")),
    server_case("plain", "a plain request is none",
                turned_down(*ANY, drop=[
                    "Upgrade", "Connection", "Sec-WebSocket-Key",
                    "Sec-WebSocket-Version"])),
    *(server_case(f"method.{method}", f"{method} is none",
                  turned_down(*ANY, method=method, Content_Length="0"))
      for method in ("POST", "PUT", "DELETE", "OPTIONS")),
    server_case("method.HEAD", "HEAD is none",
                turned_down(*ANY, method="HEAD")),
    server_case("method.get", "nor is get",
                turned_down(*NOT_HERE, method="get")),
    server_case("http_1.0", "HTTP/1.0 has no upgrades",
                turned_down(400, 426, 505, 404, version="HTTP/1.0")),
    server_case("http_2.0", "HTTP/2.0 has none of this kind",
                turned_down(400, 505, 426, version="HTTP/2.0")),
    server_case("no_host", "a request without Host is refused",
                turned_down(*BAD, drop=["Host"])),
    server_case("two_hosts", "a request with two is refused",
                turned_down(*BAD, more=["Host: other.example"])),
    server_case("no_name", "a field without a name is refused",
                turned_down(*BAD, more=[": nothing"])),
    server_case("spaced_name", "a field with a space in its name is refused",
                turned_down(*BAD, more=["Sec-WebSocket-Protocol : a"])),
    server_case("head_without_end", "a head that does not end is refused",
                turned_down(431, 400, 413, more=["X: " + "x" * 300000])),
    server_case("malformed_protocol", "a subprotocol that is no token is "
                "refused", turned_down(400, Sec_WebSocket_Protocol="a b, c")),
    server_case("malformed_extension", "extensions that are none are refused",
                turned_down(400, Sec_WebSocket_Extensions="a; =, ;b")),
    server_case("body", "a body is no frame", body_is_no_frame),
    server_case("origin.own", "a page of the server's own may connect",
                own_origin),
    *(server_case(f"origin.{name}", f"a page of {value!r} may not",
                  foreign_origin(value))
      for name, value in FOREIGN_ORIGINS.items()),
]

handshake = accepts + refusals
