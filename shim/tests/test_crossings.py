"""How often a program's requests cross to the host: frames, and moves of bodies without one."""

from support import Answer, HostTest, Seen  # noqa: I001 - first: it installs the stand-ins

import asyncio
import http.client
import socket
import unittest
from collections.abc import Iterator

from fake_host import WAIT, Site
from sandbox_net import channel as ch

NAMES = {
    getattr(ch, name): name
    for name in ("CONNECT", "STATUS", "REQUEST", "WRITE", "FINISH", "HEAD", "READ", "POLL", "CLOSE")
}
NAMES[ch.RESOLVE] = "RESOLVE"
CHUNKED = (("Transfer-Encoding", "chunked"),)


def whole(_seen: Seen) -> Answer:
    return Answer(fields=(("Content-Length", "5"),), body=[b"hello"])


def late(_seen: Seen) -> Answer:
    return Answer(fields=(("Content-Length", "5"),), body=[b"hello"], before=[WAIT])


class Crossings(HostTest):
    def since(self) -> list[str]:
        """The frames since the last question, and `take` and `put` for moves without one."""
        found, self.host.crossings = self.host.crossings, []
        return [one if isinstance(one, str) else NAMES[one] for one in found]

    def connected(self, site: Site) -> http.client.HTTPConnection:
        self.host.sites["example.com", 80] = site
        connection = http.client.HTTPConnection("example.com")
        self.addCleanup(connection.close)
        connection.connect()
        # The name is looked up, and the connection made.
        self.assertEqual(self.since(), ["RESOLVE", "STATUS", "CLOSE", "CONNECT", "STATUS"])
        return connection


class KeepAlive(Crossings):
    def test_a_get_is_a_frame_for_the_request_and_one_for_the_response(self) -> None:
        for handler in (whole, late):
            connection = self.connected(Site(handler=handler))
            for _ in range(3):
                connection.request("GET", "/")
                self.assertEqual(self.since(), ["REQUEST"])
                response = connection.getresponse()
                self.assertEqual(response.read(), b"hello")
                self.assertEqual(self.since(), ["HEAD"])

    def test_a_chunked_answer_is_one_frame_too(self) -> None:
        site = Site(handler=lambda _: Answer(fields=CHUNKED, body=[b"a", b"bc"]))
        connection = self.connected(site)
        connection.request("GET", "/")
        self.assertEqual(connection.getresponse().read(), b"abc")
        self.assertEqual(self.since(), ["REQUEST", "HEAD"])

    def test_a_small_post_writes_and_ends_its_body_in_one_frame(self) -> None:
        connection = self.connected(Site(handler=whole))
        for body in (b"x", b"x" * 60_000):
            connection.request("POST", "/", body)
            self.assertEqual(self.since(), ["REQUEST", "WRITE"])
            self.assertEqual(connection.getresponse().read(), b"hello")
            self.assertEqual(self.since(), ["HEAD"])
            self.assertEqual(self.host.seen[-1].body, body)

    def test_a_body_that_is_sent_with_its_head_goes_with_it(self) -> None:
        self.site(handler=whole)
        for body in (b"", b"x", b"x" * 60_000):
            with socket.create_connection(("example.com", 80)) as connection:
                self.since()
                head = f"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {len(body)}\r\n\r\n"
                connection.sendall(head.encode() + body)
                self.assertEqual(self.since(), ["REQUEST"])
                self.assertIn(b"hello", connection.recv(1000))
                self.assertEqual(self.since(), ["HEAD"])
            self.since()
            self.assertEqual(self.host.seen[-1].body, body)
            self.assertTrue(self.host.seen[-1].finished)

    def test_the_rest_of_a_body_follows_if_the_host_does_not_take_all(self) -> None:
        self.site(handler=whole, window=3)
        with socket.create_connection(("example.com", 80)) as connection:
            connection.sendall(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 8\r\n\r\n12345678")
            self.assertIn(b"hello", connection.recv(1000))
        self.assertEqual(self.host.seen[-1].body, b"12345678")
        self.assertTrue(self.host.seen[-1].finished)
        self.assertEqual(self.host.open_handles, 0)

    def test_a_request_in_asyncio_waits_in_one_poll(self) -> None:
        self.site(handler=late)

        async def ask() -> bytes:
            reader, writer = await asyncio.open_connection("example.com", 80)
            self.since()
            writer.write(b"GET / HTTP/1.1\r\nHost: example.com\r\n\r\n")
            answer = await reader.readuntil(b"hello")
            writer.close()
            return answer

        self.assertTrue(asyncio.run(ask()).endswith(b"hello"))
        frames = [name for name in self.since() if name != "POLL"]
        self.assertEqual(frames, ["REQUEST", "HEAD", "CLOSE"])


class Bodies(Crossings):
    def test_each_read_of_a_large_body_is_one_move_and_only_the_end_is_a_frame(self) -> None:
        size = 1_000_000
        pieces = [bytes(100_000)] * 10
        fields = (("Content-Length", str(size)),)
        connection = self.connected(Site(handler=lambda _: Answer(fields=fields, body=pieces)))
        connection.request("GET", "/")
        response = connection.getresponse()
        self.since()
        left, reads = size, 0
        buffer = bytearray(100_000)
        while left:
            left -= response.readinto(buffer)
            reads += 1
        moves = self.since()
        self.assertEqual(moves.pop(), "READ")
        self.assertEqual(set(moves), {"take"})
        self.assertLessEqual(len(moves), reads + 10)

    def test_each_piece_of_a_large_upload_is_one_move(self) -> None:
        connection = self.connected(Site(handler=whole))
        connection.request("POST", "/", bytes(1_000_000))
        self.assertEqual(self.since(), ["REQUEST"] + ["put"] * 3 + ["put", "FINISH"])
        self.assertEqual(len(self.host.seen[-1].body), 1_000_000)

    def test_an_event_that_is_waited_for_is_one_frame(self) -> None:
        def events() -> Iterator[object]:
            for number in range(20):
                yield WAIT
                yield b"data: %d\n\n" % number

        for fields in (CHUNKED, (("Connection", "close"),)):
            site = Site(handler=lambda _, fields=fields: Answer(fields=fields, body=events()))
            connection = self.connected(site)
            connection.request("GET", "/")
            response = connection.getresponse()
            self.since()
            self.assertEqual(response.readline(), b"data: 0\n")
            self.since()
            for number in range(1, 20):
                self.assertEqual(response.readline(), b"\n")
                self.assertEqual(response.readline(), b"data: %d\n" % number)
                self.assertEqual(self.since(), ["READ"])
            response.close()
            connection.close()
            self.since()


if __name__ == "__main__":
    unittest.main()
