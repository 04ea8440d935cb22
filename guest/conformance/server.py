"""The servers that the conformance component talks to: HTTP and TLS, of the standard library alone.

`python3 server.py` prints the component's arguments, one a line, then `ready`, and serves until its
standard input ends. README.md says what a host's policy and trust have to be.
"""

from __future__ import annotations

import contextlib
import re
import socket
import ssl
import struct
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

CERTIFICATES = Path(__file__).parent / "certificates"
PATIENCE = 600.0  # seconds: a guest on a busy machine gives up first
PIECE = 64 * 1024


class Gone(Exception):
    """The peer has ended the connection."""


class Request(NamedTuple):
    """The head of a request."""

    method: str
    path: str
    fields: list[tuple[str, str]]
    raw: bytes

    def field(self, name: str) -> str | None:
        """The first field of this name."""
        return next((value for n, value in self.fields if n.lower() == name), None)

    def argument(self, index: int) -> str:
        """A segment of the path behind its first."""
        return self.path.split("/")[index + 1]


class Marks:
    """What one connection tells another: by a key that the guest chooses."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._counts: dict[str, int] = {}

    def add(self, key: str, count: int = 1) -> None:
        with self._changed:
            self._counts[key] = self._counts.get(key, 0) + count
            self._changed.notify_all()

    def count(self, key: str) -> int:
        with self._changed:
            return self._counts.get(key, 0)

    def reaches(self, key: str, count: int = 1) -> bool:
        """Waits until the count is there."""
        with self._changed:
            return self._changed.wait_for(lambda: self._counts.get(key, 0) >= count, PATIENCE)


MARKS = Marks()


def pattern(size: int) -> bytes:
    """The bytes that bodies consist of: n modulo 251."""
    return (bytes(range(251)) * (size // 251 + 1))[:size]


class Peer:
    """One connection, and what was received and not yet used."""

    def __init__(self, connection: socket.socket) -> None:
        self.connection = connection
        self.buffer = bytearray()

    def more(self) -> bytes:
        try:
            received = self.connection.recv(PIECE)
        except OSError as error:
            raise Gone from error
        if not received:
            raise Gone
        return received

    def until(self, mark: bytes) -> bytes:
        while mark not in self.buffer:
            self.buffer += self.more()
        found, _, self.buffer = self.buffer.partition(mark)
        return bytes(found)

    def exactly(self, size: int) -> bytes:
        while len(self.buffer) < size:
            self.buffer += self.more()
        found, self.buffer = self.buffer[:size], self.buffer[size:]
        return bytes(found)

    def send(self, data: bytes) -> None:
        try:
            self.connection.sendall(data)
        except OSError as error:
            raise Gone from error

    def request(self) -> Request:
        raw = self.until(b"\r\n\r\n")
        first, *lines = raw.decode("latin-1").split("\r\n")
        method, path, _ = first.split(" ")
        fields = [(n, v.strip()) for n, _, v in (line.partition(":") for line in lines)]
        return Request(method, path, fields, raw)

    def body(self, request: Request) -> tuple[bytes, str]:
        """The request's body, and how it was framed."""
        if (request.field("transfer-encoding") or "").lower() == "chunked":
            whole = bytearray()
            while size := int(self.until(b"\r\n").split(b";")[0], 16):
                whole += self.exactly(size)
                self.until(b"\r\n")
            while self.until(b"\r\n"):
                pass
            return bytes(whole), "chunked"
        length = request.field("content-length")
        if length is None:
            return b"", "none"
        return self.exactly(int(length)), "sized"

    def answer(self, body: bytes, *fields: str, status: str = "200 OK") -> None:
        head = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *fields]
        self.send("\r\n".join([*head, "", ""]).encode("latin-1") + body)

    def wait_for_end(self) -> None:
        """Returns when the peer has ended the connection, and throws away what comes until then."""
        with contextlib.suppress(Gone):
            while True:
                self.more()

    def reset(self) -> None:
        """Ends the connection with RST."""
        linger = struct.pack("ii", 1, 0)
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        raise Gone


Answer = Callable[[Peer, Request], None]
ANSWERS: dict[str, Answer] = {}


def at(path: str) -> Callable[[Answer], Answer]:
    """Registers what answers requests whose path begins with this segment."""

    def register(answer: Answer) -> Answer:
        ANSWERS[path] = answer
        return answer

    return register


def raw(path: str, answer: bytes, *, then: str) -> None:
    """Registers an answer of these bytes, and what becomes of the connection behind it."""

    def send(peer: Peer, request: Request) -> None:
        peer.send(answer)
        if then == "close":
            raise Gone
        if then == "reset":
            peer.reset()

    ANSWERS[path] = send


OK = b"HTTP/1.1 200 OK\r\n"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"

raw(
    "fields",
    b"HTTP/1.1 200 Fine Indeed\r\nX-Twice: one\r\nContent-Length: 2\r\n"
    b"x-twice: two\r\nX-Bytes: \xe9\xff\r\nX-Empty:\r\n\r\nok",
    then="keep",
)
raw("chunked", CHUNKED + b"3\r\none\r\n3;x=y\r\ntwo\r\n5\r\nthree\r\n0\r\n\r\n", then="keep")
raw(
    "trailers",
    CHUNKED + b"4\r\nbody\r\n0\r\nX-Sum: 1\r\nx-sum: 2\r\nX-Last: yes\r\n\r\n",
    then="keep",
)
raw("empty", b"HTTP/1.1 204 No Content\r\n\r\n", then="keep")
raw("zero", OK + b"Content-Length: 0\r\n\r\n", then="keep")
raw(
    "informational",
    b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n" + OK + b"Content-Length: 5\r\n\r\nfinal",
    then="keep",
)
raw(
    "redirect",
    b"HTTP/1.1 302 Found\r\nLocation: /hello\r\nContent-Length: 0\r\n\r\n",
    then="keep",
)
raw("http10", b"HTTP/1.0 200 OK\r\n\r\nold", then="close")
raw("until-close", OK + b"Connection: close\r\n\r\nto the end", then="close")
raw("reset", b"", then="reset")
raw("close", b"", then="close")
raw("head-cut", OK + b"X-A: ", then="close")
raw("garbage", b"this is no HTTP at all\r\n\r\n", then="close")
raw("large-head", OK + b"X-A: " + b"a" * (4 << 20) + b"\r\nContent-Length: 0\r\n\r\n", then="close")
raw("short", OK + b"Content-Length: 100\r\n\r\n0123456789", then="close")
raw("short-reset", OK + b"Content-Length: 100\r\n\r\n0123456789", then="reset")
raw("short-chunk", CHUNKED + b"64\r\n0123456789", then="close")
raw("no-last-chunk", CHUNKED + b"a\r\n0123456789\r\n", then="close")
raw("bad-chunk", CHUNKED + b"a\r\n0123456789\r\nnonsense\r\n", then="close")
raw("two-lengths", OK + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\nabc", then="close")
raw("early", b"HTTP/1.1 413 Content Too Large\r\nContent-Length: 2\r\n\r\nno", then="keep")


@at("hello")
def hello(peer: Peer, request: Request) -> None:
    peer.body(request)
    text = b"hello"
    peer.answer(text) if request.method != "HEAD" else peer.send(OK + b"Content-Length: 5\r\n\r\n")


@at("echo")
def echo(peer: Peer, request: Request) -> None:
    body, framing = peer.body(request)
    peer.answer(body, f"X-Framing: {framing}")


@at("head")
def head(peer: Peer, request: Request) -> None:
    """Answers with the head of the request, as it came."""
    peer.body(request)
    peer.answer(request.raw)


@at("check")
def check(peer: Peer, request: Request) -> None:
    """Says how many bytes came, and whether they are the pattern."""
    body, _ = peer.body(request)
    is_right = "right" if body == pattern(len(body)) else "wrong"
    peer.answer(f"{len(body)} {is_right}".encode())


@at("pattern")
def send_pattern(peer: Peer, request: Request) -> None:
    peer.answer(pattern(int(request.argument(1))))


@at("slowly")
def slowly(peer: Peer, request: Request) -> None:
    """Sends a body, and counts under a key what the connection has taken."""
    key, size = request.argument(1), int(request.argument(2))
    peer.send(OK + f"Content-Length: {size}\r\n\r\n".encode())
    body = pattern(size)
    for start in range(0, size, PIECE):
        piece = body[start : start + PIECE]
        peer.send(piece)
        MARKS.add(key, len(piece))


@at("hold")
def hold(peer: Peer, request: Request) -> None:
    """Reads nothing of the body until it is released."""
    MARKS.reaches(request.argument(1))
    check(peer, request)


@at("release")
def release(peer: Peer, request: Request) -> None:
    MARKS.add(request.argument(1))
    peer.answer(b"")


@at("count")
def count(peer: Peer, request: Request) -> None:
    peer.answer(str(MARKS.count(request.argument(1))).encode())


@at("silent")
def silent(peer: Peer, request: Request) -> None:
    """Never answers, and marks a key when the request is there and one when the peer is gone."""
    key = request.argument(1)
    MARKS.add(f"{key}-began")
    peer.wait_for_end()
    MARKS.add(key)
    raise Gone


@at("half")
def half(peer: Peer, request: Request) -> None:
    """Answers with a part of its body, then as above."""
    peer.send(OK + b"Content-Length: 100\r\n\r\n0123456789")
    silent(peer, request)


@at("incomplete")
def incomplete(peer: Peer, request: Request) -> None:
    """Reads the body, and marks one key if it was whole, another one if it was not."""
    key = request.argument(1)
    try:
        peer.body(request)
    except Gone:
        MARKS.add(f"{key}-cut")
        raise
    MARKS.add(f"{key}-whole")
    peer.answer(b"")


@at("marked")
def marked(peer: Peer, request: Request) -> None:
    """Waits until a key is marked; says whether it was."""
    peer.answer(b"yes" if MARKS.reaches(request.argument(1)) else b"no")


@at("together")
def together(peer: Peer, request: Request) -> None:
    """Answers when so many requests of a key are there."""
    key, number = request.argument(1), int(request.argument(2))
    MARKS.add(key)
    peer.answer(b"together" if MARKS.reaches(key, number) else b"alone")


@at("continue")
def ask_for_body(peer: Peer, request: Request) -> None:
    """Asks for the body by 100 (Continue), and sends it back."""
    if request.field("expect"):
        peer.send(b"HTTP/1.1 100 Continue\r\n\r\n")
    echo(peer, request)


@at("unwanted")
def unwanted(peer: Peer, request: Request) -> None:
    """Answers without the body."""
    peer.answer(b"", "Connection: close", status="417 Expectation Failed")
    peer.wait_for_end()
    raise Gone


@at("ends")
def ends(peer: Peer, request: Request) -> None:
    """Answers a request whose body it does not read, and ends the connection with RST."""
    peer.until(b"begin")
    peer.reset()


def serve(connection: socket.socket) -> None:
    """Answers the requests of one connection."""
    peer = Peer(connection)
    with connection, contextlib.suppress(Gone, ValueError):
        while True:
            request = peer.request()
            answer = ANSWERS.get(request.path.split("/")[1].split("?")[0])
            if answer is None:
                peer.answer(b"there is nothing here", status="404 Not Found")
            else:
                answer(peer, request)


def listen(buffer: int | None = None, backlog: int = 128) -> socket.socket:
    """A listener on loopback. Its connections have receive buffers of that many bytes."""
    listener = socket.socket()
    if buffer is not None:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, buffer)
    listener.bind(("127.0.0.1", 0))
    listener.listen(backlog)
    return listener


def address(listener: socket.socket, host: str = "127.0.0.1") -> str:
    return f"{host}:{listener.getsockname()[1]}"


def accept(listener: socket.socket, serve: Callable[[socket.socket], None]) -> None:
    """Serves each connection in a thread of its own."""

    def loop() -> None:
        while True:
            connection, _ = listener.accept()
            threading.Thread(target=serve, args=[connection], daemon=True).start()

    threading.Thread(target=loop, daemon=True).start()


def with_tls(certificate: str) -> Callable[[socket.socket], None]:
    """Serves behind TLS with one of the certificates."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(CERTIFICATES / f"{certificate}.pem")

    def secured(connection: socket.socket) -> None:
        with contextlib.suppress(OSError):
            serve(context.wrap_socket(connection, server_side=True))

    return secured


def count_and_close(connection: socket.socket) -> None:
    """Nobody may come here."""
    MARKS.add("denied")
    connection.close()


def never_answer(connection: socket.socket) -> None:
    Peer(connection).wait_for_end()
    connection.close()


def full() -> socket.socket:
    """A listener whose queue is full: connecting to it takes forever (on Linux)."""
    listener = listen(backlog=0)
    waiting: list[socket.socket] = []
    with contextlib.suppress(OSError):
        while len(waiting) < 16:
            one = socket.socket()
            one.settimeout(0.3)
            waiting.append(one)
            one.connect(listener.getsockname())
    FULL.extend([listener, *waiting])
    return listener


FULL: list[socket.socket] = []


def main() -> None:
    http, denied, silent = listen(32 * 1024), listen(), listen()
    places = {"http": address(http), "name": address(http, "localhost")}
    accept(http, serve)
    for certificate in ("server", "untrusted", "expired", "other-name"):
        listener = listen()
        places["https" if certificate == "server" else certificate] = address(listener)
        accept(listener, with_tls(certificate))
    accept(denied, count_and_close)
    places["denied"] = address(denied)
    accept(silent, never_answer)
    places["silent"] = address(silent)
    unused = listen()
    places["refused"] = address(unused)
    unused.close()
    if sys.platform == "linux":
        places["full"] = address(full())
    for name, place in places.items():
        assert re.fullmatch(r"[a-z0-9.]+:[0-9]+", place)
        print(f"{name}={place}")
    print("ready", flush=True)
    sys.stdin.buffer.read()


if __name__ == "__main__":
    main()
