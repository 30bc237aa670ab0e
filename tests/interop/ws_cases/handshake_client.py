"""
handshake_client.py - cases of RFC 6455, 4.1 and RFC 7692, 7.1 for a client:
which answers make a WebSocket, and which do not.
"""

import socket

import deflate
import frames
from cases import case, bye, gets_text, text
from frames import BINARY, CLOSE, END, TEXT, Broken
from framing import letters
from targets import Skip, accept_of


def client_case(name, promise, run):
    return case("handshake_client." + name, promise, run, role="client")


# ---- what is taken ----

def accepted(**response):
    def run(target):
        with target.open(**response) as talk:
            for step in (text("Hello"), gets_text("Hello"), bye):
                step(talk)
    return run


def with_names(change):
    def run(target):
        sock, head = target.accept()
        with target.talk(sock, False) as talk:
            target.check(head)
            first, *lines = target.answer(head).decode().split("\r\n")
            talk.write("\r\n".join(
                [first, *(change(line.partition(":")[0])
                          + "".join(line.partition(":")[1:])
                          for line in lines)]).encode())
            for step in (text("Hello"), gets_text("Hello"), bye):
                step(talk)
    return run


def rides_behind(data, chop=0):
    def run(target):
        with target.open(first=frames.encode(TEXT, data), chop=chop) as talk:
            for step in (gets_text(data), text("then"), gets_text("then"), bye):
                step(talk)
    return run


def many_behind(target):
    first = b"".join(frames.encode(BINARY, b"%d" % i) for i in range(50))
    with target.open(first=first) as talk:
        for i in range(50):
            talk.gets(BINARY, b"%d" % i)
        bye(talk)


def close_behind(target):
    with target.open(first=frames.encode(
            CLOSE, frames.close_payload(1001))) as talk:
        talk.gets_close(1001)


def keys_differ(target):
    """Each connection has a key of its own, of sixteen random bytes."""
    for _ in range(8):
        with target.open() as talk:
            bye(talk)
    if len(set(target.keys)) < len(target.keys):
        raise Broken("two connections had the same key")


accepts = [
    client_case("plain", "a plain answer is taken", accepted()),
    client_case("keys", "no key is used twice", keys_differ),
    client_case("bytewise", "an answer may come one byte at a time",
                accepted(chop=1)),
    *(client_case(f"reason.{i}", f"the answer may begin with {status!r}",
                  accepted(status=status))
      for i, status in enumerate(("HTTP/1.1 101 ", "HTTP/1.1 101 Hello",
                                  "HTTP/1.1 101 Web Socket Protocol "
                                  "Handshake"))),
    *(client_case(f"upgrade.{value}", "the case of Upgrade does not matter",
                  accepted(Upgrade=value))
      for value in ("WebSocket", "WEBSOCKET")),
    *(client_case(f"connection.{name}", f"Connection: {value!r} is understood",
                  accepted(Connection=value))
      for name, value in (("lower", "upgrade"), ("upper", "UPGRADE"),
                          ("list", "keep-alive, Upgrade"),
                          ("empty_items", ",,Upgrade, "))),
    client_case("connection.two", "Connection may be two fields",
                accepted(Connection="keep-alive",
                         more=["Connection: Upgrade"])),
    client_case("names.lower", "names of fields may be lower case",
                with_names(str.lower)),
    client_case("names.upper", "or upper case", with_names(str.upper)),
    client_case("others", "other fields are passed over",
                accepted(more=["Server: any", "Set-Cookie: a=b",
                               "X-Large: " + "x" * 4000])),
    client_case("behind", "a frame may ride behind the answer",
                rides_behind(b"Hello")),
    client_case("behind.bytewise", "also one byte at a time",
                rides_behind(b"Hello", 1)),
    client_case("behind.large", "also a large one",
                rides_behind(letters(100000))),
    client_case("behind.many", "also many", many_behind),
    client_case("behind.close", "also a close", close_behind),
]

# ---- what is not ----

TAKEN = "it takes it"


def not_taken(change, first=frames.encode(TEXT, b"no"), ends=False):
    """The client does not take part: no echo, and the end. `change` makes the
    answer, of the client's head and what would be right. `ends`: nothing comes
    behind it."""
    def run(target):
        sock, head = target.accept()
        with target.talk(sock, False) as talk:
            offers = target.check(head)
            answer = change(target, head, offers)
            talk.say("> " + answer.split(b"\r\n\r\n")[0].decode("latin-1")
                     .replace("\r\n", " | "))
            talk.reader.deflate = True
            talk.write(answer + first)
            if ends:
                sock.shutdown(socket.SHUT_WR)
            event = talk.next()
            if event.kind == CLOSE:  # it may say why, as 7.1.7 has it
                talk.write(talk.frame(CLOSE, frames.close_payload(1000)))
                event = talk.next()
            if event.kind != END:
                raise Broken(f"{TAKEN}: {frames.describe(event)}")
    return run


def answering(**response):
    return lambda target, head, offers: target.answer(head, **response)


def of_http_1_0(target):
    """Upgrades came with 1.1 (RFC 9110, 7.8), but nothing says that a client
    has to look."""
    try:
        not_taken(answering(status="HTTP/1.0 101 Switching Protocols"))(target)
    except Broken as why:
        if not str(why).startswith(TAKEN):
            raise
        target.note("it is taken")


def plain_http(status, *fields):
    def change(target, head, offers):
        return "\r\n".join([f"HTTP/1.1 {status}", "Content-Length: 6",
                            "Connection: close", *fields, "",
                            "hello\n"]).encode()
    return change


def accept_changed(change):
    return lambda target, head, offers: target.answer(
        head, Sec_WebSocket_Accept=change(
            accept_of(head.fields["sec-websocket-key"][0])))


def of_another_key(target, head, offers):
    return target.answer(head, Sec_WebSocket_Accept=accept_of("A" * 22 + "=="))


def the_key_itself(target, head, offers):
    return target.answer(head, Sec_WebSocket_Accept=head.fields[
        "sec-websocket-key"][0])


def agreeing(answer, unless=None):
    """To extensions, `unless` (of the parameters offered) that is right."""
    def change(target, head, offers):
        offer = next(deflate.good_offers(offers), None)
        if unless and (offer is None or unless(offer)):
            raise Skip("the client's offer is such that this does not apply")
        return target.answer(head, answer)
    return change


NAME = deflate.NAME
BAD_ANSWERS = {
    "unknown": "x-unknown", "unknown_too": f"{NAME}, x-unknown",
    "twice": f"{NAME}, {NAME}", "unknown_param": f"{NAME}; fast",
    "unknown_value": f"{NAME}; window=10",
    "no_bits": f"{NAME}; server_max_window_bits",
    **{f"server_{bits}": f"{NAME}; server_max_window_bits={bits}"
       for bits in ("0", "7", "16", "08", "x", "-8")},
    **{f"client_{bits}": f"{NAME}; client_max_window_bits={bits}"
       for bits in ("0", "7", "16", "010", "x")},
    "client_bare": f"{NAME}; client_max_window_bits",
    "reset_value": f"{NAME}; server_no_context_takeover=1",
    "client_reset_value": f"{NAME}; client_no_context_takeover=yes",
    "twice_reset": f"{NAME}; server_no_context_takeover; "
                   "server_no_context_takeover",
    "twice_bits": f"{NAME}; server_max_window_bits=10; "
                  "server_max_window_bits=10",
}

refusals = [
    *(client_case(f"status.{status.split()[0]}", f"{status} is no WebSocket",
                  not_taken(plain_http(status, *fields), b""))
      for status, *fields in (
          ("200 OK",), ("204 No Content",), ("400 Bad Request",),
          ("401 Unauthorized", 'WWW-Authenticate: Basic realm="a"'),
          ("403 Forbidden",), ("404 Not Found",), ("426 Upgrade Required",
                                                   "Upgrade: h2c"),
          ("500 Internal Server Error",), ("503 Service Unavailable",))),
    client_case("status.200_upgrade", "200 is none, whatever fields it has",
                not_taken(answering(status="HTTP/1.1 200 OK"))),
    client_case("status.1.0", "an answer of HTTP/1.0 is none",
                of_http_1_0),
    client_case("no_accept", "an answer without Sec-WebSocket-Accept is none",
                not_taken(answering(drop=["Sec-WebSocket-Accept"]))),
    client_case("accept.twice", "one with a wrong one beside it is none",
                not_taken(answering(more=["Sec-WebSocket-Accept: "
                                          + accept_of("A" * 22 + "==")]))),
    client_case("accept.other", "one of another key is none",
                not_taken(of_another_key)),
    client_case("accept.key", "the key itself is none",
                not_taken(the_key_itself)),
    client_case("accept.empty", "an empty one is none",
                not_taken(accept_changed(lambda right: ""))),
    client_case("accept.case", "its case does matter",
                not_taken(accept_changed(str.swapcase))),
    client_case("accept.cut", "all of it does",
                not_taken(accept_changed(lambda right: right[:-1]))),
    client_case("accept.more", "and no more",
                not_taken(accept_changed(lambda right: right + "="))),
    client_case("no_upgrade", "an answer without Upgrade is none",
                not_taken(answering(drop=["Upgrade"]))),
    client_case("other_upgrade", "nor is one to something else",
                not_taken(answering(Upgrade="h2c"))),
    client_case("no_connection", "an answer without Connection is none",
                not_taken(answering(drop=["Connection"]))),
    client_case("other_connection", "nor with one that does not say so",
                not_taken(answering(Connection="keep-alive"))),
    client_case("protocol", "nor one with a subprotocol nobody asked for",
                not_taken(answering(Sec_WebSocket_Protocol="uninvited"))),
    *(client_case(f"extension.{name}", f"nor one that agrees to {answer!r}",
                  not_taken(agreeing(answer)))
      for name, answer in BAD_ANSWERS.items()),
    client_case("extension.client_bits_unasked", "nor one that limits the "
                "client's window when it has not said that it can",
                not_taken(agreeing(
                    f"{NAME}; client_max_window_bits=10",
                    lambda offer: "client_max_window_bits" in offer))),
    client_case("extension.larger", "nor one with a larger window than was "
                "asked for",
                not_taken(agreeing(
                    f"{NAME}; server_no_context_takeover; "
                    "server_max_window_bits=15",
                    lambda offer: deflate.bits_of(
                        offer, "server_max_window_bits") == 15))),
    client_case("garbage", "what is no HTTP is none",
                not_taken(lambda *unused: b"hello\r\n\r\n")),
    client_case("nothing", "nor is nothing",
                not_taken(lambda *unused: b"", ends=True)),
    client_case("folded", "nor a head with a malformed line",
                not_taken(answering(more=["no colon here"]))),
]


def ends_early(target):
    """A server that goes away in the midst of its answer."""
    for part in 0, 1, 20, 60:
        sock, head = target.accept()
        with sock:
            sock.sendall(target.answer(head)[:part])
    accepted()(target)


handshake_client = [
    *accepts, *refusals,
    client_case("early", "an answer that ends early is none", ends_early),
]
