"""Random requests and responses, cut at random: the bytes must arrive unchanged."""

import support  # noqa: I001 - first: it installs the stand-ins
from support import Answer, HostTest, Seen

import random
import select
import socket
import unittest

from fake_frames import WAIT, Failure, Wait

CASES = 150


class Case:
    """One request and its response, made from a seed."""

    def __init__(self, rng: random.Random) -> None:
        self.method = rng.choice(("GET", "POST", "PUT", "HEAD"))
        self.kind = rng.choice((1, 2)) if self.method in ("POST", "PUT") else 0
        self.body = rng.randbytes(rng.choice((0, 1, 10, 5000))) if self.kind else b""
        self.request = self._request(rng)
        self.version = rng.choice((11, 11, 20))
        self.data = [
            rng.randbytes(rng.choice((1, 2, 700, 70_000))) for _ in range(rng.randrange(4))
        ]
        self.chunked = rng.random() < 0.5
        self.answer = self._answer(rng)

    def _request(self, rng: random.Random) -> bytes:
        head = f"{self.method} /{rng.random()} HTTP/1.1\r\nHost: example.com\r\n"
        if self.kind == 1:
            return f"{head}Content-Length: {len(self.body)}\r\n\r\n".encode() + self.body
        if self.kind == 0:
            return f"{head}\r\n".encode()
        body, rest = b"", self.body
        while rest:
            size = rng.randint(1, len(rest))
            body += b"%x\r\n%b\r\n" % (size, rest[:size])
            rest = rest[size:]
        return f"{head}Transfer-Encoding: chunked\r\n\r\n".encode() + body + b"0\r\n\r\n"

    def _answer(self, rng: random.Random) -> Answer:
        script: list[bytes | Wait] = []
        for data in [*self.data, b""]:
            script += [WAIT] * rng.randrange(3)
            script += [data] if data else []
        length = str(sum(map(len, self.data)))
        fields: tuple[tuple[str, str], ...] = (("X-A", "1"), ("X-A", "2"))
        if not self.chunked:
            fields += (("Content-Length", length),)
        elif self.version == 11:
            fields += (("Transfer-Encoding", "chunked"),)
        before = [WAIT] * rng.randrange(3)
        body = () if self.method == "HEAD" else tuple(script)
        return Answer(200, fields, body, self.version, before=list(before))

    def check(self, test: unittest.TestCase, response: bytes, seen: Seen) -> None:
        """What arrived."""
        test.assertEqual((seen.method, bytes(seen.body)), (self.method, self.body))
        head, _, rest = response.partition(b"\r\n\r\n")
        test.assertTrue(head.startswith(b"HTTP/1.1 200 OK\r\nX-A: 1\r\nX-A: 2"))
        if self.chunked and self.method != "HEAD":
            rest = unchunk(rest)
        test.assertEqual(rest, b"" if self.method == "HEAD" else b"".join(self.data))


def unchunk(data: bytes) -> bytes:
    """A body without its chunks."""
    body = b""
    while True:
        line, _, data = data.partition(b"\r\n")
        size = int(line, 16)
        body, end, data = body + data[:size], data[size : size + 2], data[size + 2 :]
        assert end == b"\r\n"
        if not size:
            assert not data
            return body


def complete(case: Case, response: bytes) -> bool:
    """Whether `response` is complete, without knowledge of its contents."""
    _head, end, rest = response.partition(b"\r\n\r\n")
    if not end:
        return False
    if case.method == "HEAD":
        return True
    if case.chunked:
        return rest.endswith(b"0\r\n\r\n") and len(rest) >= sum(map(len, case.data))
    return len(rest) == sum(map(len, case.data))


class Random(HostTest):
    def test_exchanges_survive_every_cut(self) -> None:
        for seed in range(CASES):
            with self.subTest(seed=seed):
                self.exchange(random.Random(seed))

    def test_any_bytes_come_as_they_are_whenever_the_upload_fails(self) -> None:
        for seed in range(3 * CASES):
            with self.subTest(seed=seed):
                self.odd_exchange(random.Random(seed))

    def odd_exchange(self, rng: random.Random) -> None:
        """No response, or one whose upload fails: the program gets exactly the bytes that came."""
        self.host.piece = rng.choice((None, 1, 100))
        data = [rng.randbytes(rng.choice((1, 2, 700, 70_000))) for _ in range(rng.randrange(4))]
        script: list[bytes | Wait | Failure] = []
        for piece in data:
            script += [WAIT] * rng.randrange(3) + [piece]
        is_broken = rng.random() < 0.3
        script += [WAIT] * rng.randrange(3) + [Failure(5)] * is_broken
        waits: list[Wait | Failure] = [WAIT] * rng.randrange(3)
        if rng.random() < 0.5:
            answer = Answer(before=[*waits, Failure(8, text="odd")], unframed=script)
            expected = b"".join(data)
        else:
            answer = Answer(body=script, before=waits)
            expected = b"HTTP/1.1 200 OK\r\n\r\n" + b"".join(data)
        failure = rng.choice((None, Failure(10)))
        self.site(handler=lambda _: answer, early=True, window=rng.choice((None, 1000)))
        with socket.create_connection(("example.com", 80)) as sock:
            sock.settimeout(0)
            head = b"POST / HTTP/1.1\r\nHost: example.com\r\nContent-Length: 9000\r\n\r\n"
            self.send(rng, sock, head)
            sock.send(b"x" * rng.randrange(1, 9000))
            exchange = self.host.connections[-1].exchange
            assert exchange is not None
            exchange.failure = failure
            got, is_reset = self.receive_all(rng, sock)
        self.assertEqual(is_reset, is_broken)
        self.assertEqual(got, expected)

    def receive_all(self, rng: random.Random, sock: socket.socket) -> tuple[bytes, bool]:
        """Returns all bytes that come, and whether a reset follows."""
        response = bytearray()
        while True:
            size = rng.choice((1, 17, 4096, 100_000))
            try:
                peeked = sock.recv(size, socket.MSG_PEEK) if rng.random() < 0.2 else b""
                got = sock.recv(size, rng.choice((0, socket.MSG_WAITALL)))
            except BlockingIOError:
                self.assertEqual(select.select([sock], [], [], 30)[0], [sock])
                continue
            except ConnectionResetError:
                return bytes(response), True
            self.assertEqual(got[: len(peeked)], peeked)
            if not got:
                return bytes(response), False
            response += got

    def exchange(self, rng: random.Random) -> None:
        """Sends some requests on one connection."""
        self.host.piece = rng.choice((None, 1, 100))
        self.site(window=rng.choice((None, 1000)))
        with socket.create_connection(("example.com", 80)) as sock:
            for _ in range(rng.randint(1, 3)):
                case = Case(rng)
                self.host.sites["example.com", 80].handler = lambda _, c=case: c.answer
                sock.settimeout(rng.choice((None, 30, 0)))
                self.send(rng, sock, case.request)
                case.check(self, self.receive(rng, sock, case), self.host.seen[-1])
        self.assertEqual(self.host.open_handles, 0)

    def send(self, rng: random.Random, sock: socket.socket, data: bytes) -> None:
        while data:
            size = rng.choice((1, 5, 100, len(data)))
            try:
                data = data[sock.send(data[:size]) :]
            except BlockingIOError:
                self.assertEqual(select.select([], [sock], [], 30)[1], [sock])

    def receive(self, rng: random.Random, sock: socket.socket, case: Case) -> bytes:
        response = bytearray()
        while not complete(case, bytes(response)):
            if rng.random() < 0.2:
                self.assertEqual(select.select([sock], [], [], 30)[0], [sock])
            try:
                got = sock.recv(rng.choice((1, 17, 4096, 100_000)))
            except BlockingIOError:
                self.assertEqual(select.select([sock], [], [], 30)[0], [sock])
            else:
                self.assertTrue(got)
                response += got
        return bytes(response)


if __name__ == "__main__":
    _ = support
    unittest.main()
