"""
targets.py - who is under test: a server that we connect to, or a client that
connects to us; and the handshake with them (RFC 6455, 4), checked.
"""

import base64
import binascii
import collections
import hashlib
import os
import select
import socket
import subprocess
import time
import urllib.parse

import deflate
from frames import Broken
from talk import Late, Talk

GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
HEAD_MAX = 1 << 16

Head = collections.namedtuple("Head", "first fields rest")


class Skip(Exception):
    """The case does not apply to this peer."""


class Refused(Broken):
    """The handshake is answered by another status than 101."""

    def __init__(self, line):
        super().__init__(f"the handshake is answered by {line!r}")
        words = line.split(" ")
        self.status = int(words[1]) if words[1:] and words[1].isdigit() else 0


def accept_of(key):
    return base64.b64encode(hashlib.sha1(key.encode() + GUID).digest()).decode()


def parse_head(head, rest):
    first, *lines = head.decode("latin-1").split("\r\n")
    fields = collections.defaultdict(list)
    for line in lines:
        name, colon, value = line.partition(":")
        if not colon or name != name.strip():
            raise Broken(f"the peer's head has the line {line!r}")
        fields[name.lower()].append(value.strip())
    return Head(first, fields, rest)


def read_head(sock, patience):
    """A head and what has come behind it; None if the peer ends first."""
    sock.settimeout(patience)
    data = b""
    try:
        while b"\r\n\r\n" not in data:
            piece = sock.recv(4096)
            if not piece:
                return None
            data += piece
            if len(data) > HEAD_MAX:
                raise Broken("the peer's head does not end")
    except TimeoutError:
        raise Late("no head of HTTP comes") from None
    except OSError:
        return None
    head, _, rest = data.partition(b"\r\n\r\n")
    return parse_head(head, rest)


def tokens(fields, name):
    return [token.strip().lower() for value in fields[name]
            for token in value.split(",")]


class Target:
    """What both have in common."""

    role = None

    def __init__(self, patience):
        self.patience = patience
        self.begin()  # for the transcript of the case that runs

    def begin(self):
        self.talks = []
        self.notes = []

    def note(self, what):
        """What the RFC allows, and still might be better."""
        self.notes.append(what)

    def talk(self, sock, as_client):
        talk = Talk(sock, as_client, self.patience)
        self.talks.append(talk)
        return talk


class Server(Target):
    """A server under test; we are its client."""

    role = "server"

    def __init__(self, url, patience):
        super().__init__(patience)
        parts = urllib.parse.urlsplit(url)
        self.address = (parts.hostname, parts.port)
        self.host = parts.netloc
        self.path = parts.path or "/"

    def connect(self):
        try:
            return socket.create_connection(self.address, self.patience)
        except OSError as why:
            raise Broken(f"cannot connect: {why}") from None

    def request(self, offer=None, drop=(), more=(), method="GET",
                version="HTTP/1.1", path=None, **fields):
        """A handshake's bytes and its key. `drop` fields, add lines `more`,
        replace fields (underscores for hyphens). A list of offers makes as many
        fields."""
        key = base64.b64encode(os.urandom(16)).decode()
        known = {"Host": self.host, "Upgrade": "websocket",
                 "Connection": "Upgrade", "Sec-WebSocket-Key": key,
                 "Sec-WebSocket-Version": "13"}
        if offer and not isinstance(offer, list):
            known["Sec-WebSocket-Extensions"] = offer
        for name, value in fields.items():
            known[name.replace("_", "-")] = value
        lines = [f"{method} {path or self.path} {version}"]
        lines += [f"{name}: {value}" for name, value in known.items()
                  if name not in drop]
        if isinstance(offer, list):
            lines += [f"Sec-WebSocket-Extensions: {one}" for one in offer]
        lines += more
        return "\r\n".join([*lines, "", ""]).encode("latin-1"), key

    def ask(self, request, chop=0):
        """Sends a request; its socket, and the head of the answer or None."""
        sock = self.connect()
        try:
            if chop:
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                for at in range(0, len(request), chop):
                    sock.sendall(request[at:at + chop])
                    time.sleep(0.0002)
            else:
                sock.sendall(request)
        except OSError:
            pass  # it may have closed in the middle of what it refuses
        return sock, read_head(sock, self.patience)

    def open(self, offer=None, first=b"", chop=0, **request):
        """An open connection; bytes `first` ride behind the request."""
        asked, key = self.request(offer, **request)
        sock, head = self.ask(asked + first, chop)
        try:
            if head is None:
                raise Broken("the server ends without an answer")
            terms = self.check(head, key, offer)
        except Exception:
            sock.close()
            raise
        talk = self.talk(sock, True)
        if terms:
            talk.use_deflate(
                terms,
                deflate.Deflater(terms.client_bits, terms.client_reset),
                deflate.Inflater(terms.server_bits, terms.server_reset))
        talk.head = head
        talk.take(head.rest)
        return talk

    @staticmethod
    def check(head, key, offer):
        status = head.first.split(" ", 2)
        if status[:2] != ["HTTP/1.1", "101"]:
            raise Refused(head.first)
        fields = head.fields
        if tokens(fields, "upgrade") != ["websocket"]:
            raise Broken(f"the answer's Upgrade is {fields['upgrade']}")
        if "upgrade" not in tokens(fields, "connection"):
            raise Broken(f"the answer's Connection is {fields['connection']}")
        if fields["sec-websocket-accept"] != [accept_of(key)]:
            raise Broken("the answer's Sec-WebSocket-Accept is wrong")
        for name in "content-length", "transfer-encoding":
            if fields[name]:
                raise Broken(f"the answer 101 has {name}")
        answer = ", ".join(fields["sec-websocket-extensions"])
        if isinstance(offer, list):
            offer = ", ".join(offer)
        return deflate.check_answer(answer, deflate.parse(offer))


class Client(Target):
    """A client under test, which connects to us again and again."""

    role = "client"
    host = "127.0.0.1"

    def __init__(self, command, patience):
        super().__init__(patience)
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=16)
        self.port = self.listener.getsockname()[1]
        self.keys = []
        url = f"ws://127.0.0.1:{self.port}/"
        self.process = subprocess.Popen([*command, url],
                                        stdin=subprocess.DEVNULL)

    def accept(self):
        """Its next connection and the request on it."""
        end = time.monotonic() + self.patience
        while time.monotonic() < end:
            if not select.select([self.listener], [], [], 0.5)[0]:
                if self.process.poll() is not None:
                    raise Broken("the client has ended with status "
                                 f"{self.process.returncode}")
                continue
            sock, _ = self.listener.accept()
            head = read_head(sock, self.patience)
            if head is not None:
                return sock, head
            sock.close()
        raise Late("the client does not connect")

    def answer(self, head, extensions=None, drop=(), more=(),
               status="HTTP/1.1 101 Switching Protocols", **fields):
        known = {"Upgrade": "websocket", "Connection": "Upgrade",
                 "Sec-WebSocket-Accept":
                     accept_of(head.fields["sec-websocket-key"][0])}
        if extensions:
            known["Sec-WebSocket-Extensions"] = extensions
        for name, value in fields.items():
            known[name.replace("_", "-")] = value
        lines = [status, *(f"{name}: {value}" for name, value in known.items()
                           if name not in drop), *more, "", ""]
        return "\r\n".join(lines).encode("latin-1")

    def open(self, answer=None, first=b"", chop=0, **response):
        """Accepts; `answer` is what we agree to of the client's offers, or a
        function of them."""
        sock, head = self.accept()
        try:
            offers = self.check(head)
            if callable(answer):
                answer = answer(offers)
            terms = deflate.check_answer(answer, offers)
        except Exception:
            sock.close()
            raise
        talk = self.talk(sock, False)
        if terms:
            talk.use_deflate(
                terms,
                deflate.Deflater(terms.server_bits, terms.server_reset),
                deflate.Inflater(terms.client_bits, terms.client_reset))
        talk.head, talk.offers = head, offers
        reply = self.answer(head, answer, **response) + first
        if chop:
            talk.chop(reply, chop, 0.0002)
        else:
            talk.write(reply)
        return talk

    def check(self, head):
        fields = head.fields
        method, _, version = head.first.split(" ")
        if method != "GET" or version != "HTTP/1.1":
            raise Broken(f"the handshake is {head.first!r}")
        if "websocket" not in tokens(fields, "upgrade"):
            raise Broken("the handshake has no Upgrade to websocket")
        if "upgrade" not in tokens(fields, "connection"):
            raise Broken("the handshake has no Connection with upgrade")
        if fields["host"] != [f"127.0.0.1:{self.port}"]:
            raise Broken(f"the handshake's Host is {fields['host']}")
        if fields["sec-websocket-version"] != ["13"]:
            raise Broken("the handshake's version is not 13")
        key = fields["sec-websocket-key"]
        try:
            size = len(base64.b64decode(key[0], validate=True))
        except (binascii.Error, IndexError):
            size = 0
        if len(key) != 1 or size != 16:
            raise Broken(f"the handshake's key is {key}")
        if head.rest:
            raise Broken("the client sends before the handshake is done")
        self.keys.append(key[0])
        return deflate.parse(", ".join(fields["sec-websocket-extensions"]))

    def finish(self):
        """No more connections; the client should end then. Its status."""
        self.listener.close()
        try:
            return self.process.wait(self.patience)
        except subprocess.TimeoutExpired:
            self.process.terminate()
            self.process.wait()
            return None
