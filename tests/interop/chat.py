"""
chat.py - guests of the chat example, for chat.sh.

    chat.py PORT PORT [LATER-PORT]   two processes that are one chat
"""

import base64
import json
import os
import socket
import struct
import sys
import time


class Guest:
    """A WebSocket that speaks as little of the protocol as a guest must."""

    def __init__(self, port, room, name, after=""):
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.socket.settimeout(20)
        self.held = b""
        key = base64.b64encode(os.urandom(16)).decode()
        self.socket.sendall((
            f"GET /ws/{room}?name={name}&after={after} HTTP/1.1\r\n"
            "Host: chat\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n\r\n"
        ).encode())
        while b"\r\n\r\n" not in self.held:
            self.fill()
        head, self.held = self.held.split(b"\r\n\r\n", 1)
        assert b" 101 " in head, head

    def fill(self):
        more = self.socket.recv(65536)
        if not more:
            raise EOFError
        self.held += more

    def take(self, count):
        while len(self.held) < count:
            self.fill()
        taken, self.held = self.held[:count], self.held[count:]
        return taken

    def hear(self):
        """The next message."""
        while True:
            first, second = self.take(2)
            length = second & 127
            if length == 126:
                length, = struct.unpack(">H", self.take(2))
            elif length == 127:
                length, = struct.unpack(">Q", self.take(8))
            payload = self.take(length)
            if first & 15 == 8:
                raise EOFError
            if first & 15 == 1:
                return json.loads(payload)

    def await_type(self, kind, wanted=lambda message: True):
        while True:
            message = self.hear()
            if message["type"] == kind and wanted(message):
                return message

    def hear_texts_until(self, last):
        texts = [self.await_type("said")["text"]]
        while texts[-1] != last:
            texts.append(self.await_type("said")["text"])
        return texts

    def say(self, text):
        payload, mask = text.encode(), os.urandom(4)
        assert len(payload) < 126
        self.socket.sendall(
            bytes([0x81, 0x80 | len(payload)]) + mask +
            bytes(b ^ mask[i % 4] for i, b in enumerate(payload)))


def await_names(guest, names):
    heard = guest.await_type("here", lambda m: sorted(m["names"]) == names)
    assert heard["count"] == len(names), heard


def await_reach(a, b):
    """Says things in one process until the other hears: they have found each
    other then."""
    b.socket.settimeout(0.2)
    for attempt in range(100):
        a.say(f"attempt {attempt}")
        try:
            b.await_type("said")
            break
        except TimeoutError:
            time.sleep(0.5)  # as fast as one may speak
    b.socket.settimeout(20)


def main():
    one, two = int(sys.argv[1]), int(sys.argv[2])

    ann, bob = Guest(one, "hall", "Ann"), Guest(two, "hall", "Bob")
    await_reach(ann, bob)
    print("ok - what is said in one process is heard in the other")

    ann.say("from one")
    bob.await_type("said", lambda m: m["text"] == "from one")
    bob.say("from two")
    texts = ann.hear_texts_until("from two")
    assert texts.count("from one") == 1, texts
    print("ok - whoever speaks hears it once, and both hear the same")

    cy = Guest(two, "hall", "Cy")
    await_names(ann, ["Ann", "Bob", "Cy"])
    print("ok - who is here is known in both")
    assert cy.hear_texts_until("from two")[-2:] == ["from one", "from two"]
    print("ok - late comers hear what was said, wherever")
    cy.socket.close()
    await_names(ann, ["Ann", "Bob"])
    print("ok - and who has left")

    other = Guest(one, "kitchen", "Dora")
    other.say("tea?")
    assert other.await_type("said")["text"] == "tea?"
    ann.say("nothing of that here")
    assert ann.await_type("said")["text"] == "nothing of that here"
    print("ok - rooms are apart")

    last = bob.await_type(
        "said", lambda m: m["text"] == "nothing of that here")["id"]
    bob.socket.close()
    ann.say("while Bob was away")
    bob = Guest(one, "hall", "Bob", after=last)
    assert bob.await_type("said")["text"] == "while Bob was away"
    print("ok - who comes back, to another process, goes on where he was")

    for _ in range(30):
        other.say("spam")
    assert "Not so fast" in other.await_type("error")["text"]
    print("ok - nobody can flood a room")


main()
