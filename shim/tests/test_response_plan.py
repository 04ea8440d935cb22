"""How responses are shown in HTTP/1."""

import support  # noqa: F401, I001 - first: it installs the stand-ins

import struct
import unittest

from fake_frames import pack_fields
from sandbox_net.http1_request import parse_head
from sandbox_net.http1_response import Framing, ResponseHead, last_chunk, plan_response

GET = b"GET / HTTP/1.1"
HEAD = b"HEAD / HTTP/1.1"
GET_10 = b"GET / HTTP/1.0"
CLOSE = b"GET / HTTP/1.1\r\nConnection: close"
LENGTH = (b"Content-Length", b"5")
CHUNKED = (b"Transfer-Encoding", b"chunked")
KEEP = (b"Connection", b"Keep-Alive")
ENDS = (b"connection", b"x, close")

# name, request, status, version, reason, fields -> framing, length, keep-alive, head
PLANS = [
    ("length", GET, 200, 11, b"OK", [LENGTH], Framing.LENGTH, 5, True, b"HTTP/1.1 200 OK"),
    ("chunked", GET, 200, 11, b"OK", [CHUNKED], Framing.CHUNKED, 0, True, b"HTTP/1.1 200 OK"),
    ("neither", GET, 200, 11, b"Fine", [], Framing.CLOSE, 0, False, b"HTTP/1.1 200 Fine"),
    ("neither, 1.0", GET, 200, 10, b"OK", [], Framing.CLOSE, 0, False, b"HTTP/1.0 200 OK"),
    ("length, 1.0", GET, 200, 10, b"OK", [LENGTH], Framing.LENGTH, 5, False, b"HTTP/1.0 200 OK"),
    (
        "length, 1.0 with keep-alive",
        *(GET, 200, 10, b"OK", [LENGTH, KEEP], Framing.LENGTH, 5, True, b"HTTP/1.0 200 OK"),
    ),
    ("length, h2", GET, 404, 20, b"", [LENGTH], Framing.LENGTH, 5, True, b"HTTP/1.1 404 Not Found"),
    ("an unknown status", GET, 299, 20, b"", [LENGTH], Framing.LENGTH, 5, True, b"HTTP/1.1 299 "),
    ("to HEAD", HEAD, 200, 11, b"OK", [LENGTH], Framing.NONE, 0, True, b"HTTP/1.1 200 OK"),
    ("to HEAD, chunked", HEAD, 200, 11, b"", [CHUNKED], Framing.NONE, 0, True, b"HTTP/1.1 200 "),
    ("204", GET, 204, 11, b"No", [], Framing.NONE, 0, True, b"HTTP/1.1 204 No"),
    ("204, h2", GET, 204, 20, b"", [], Framing.NONE, 0, True, b"HTTP/1.1 204 No Content"),
    ("304", GET, 304, 20, b"", [LENGTH], Framing.NONE, 0, True, b"HTTP/1.1 304 Not Modified"),
    ("length 0", GET, 200, 11, b"OK", [(b"Content-Length", b"0")], Framing.LENGTH, 0, True, None),
    ("the server ends", GET, 200, 11, b"", [LENGTH, ENDS], Framing.LENGTH, 5, False, None),
    ("the program ends", CLOSE, 200, 11, b"", [LENGTH], Framing.LENGTH, 5, False, None),
    ("the program ends, h2", CLOSE, 200, 20, b"", [LENGTH], Framing.LENGTH, 5, False, None),
    ("both framings", GET, 200, 11, b"", [LENGTH, CHUNKED], Framing.CHUNKED, 0, True, None),
    ("lengths that differ", GET, 200, 11, b"", [LENGTH, (b"content-length", b"6")],
     Framing.CLOSE, 0, False, None),
    ("a list of lengths", GET, 200, 11, b"", [(b"Content-Length", b"5, 5")],
     Framing.LENGTH, 5, False, None),
    ("one length twice", GET, 200, 11, b"", [LENGTH, LENGTH], Framing.LENGTH, 5, True, None),
    ("no number", GET, 200, 11, b"", [(b"Content-Length", b"-5")], Framing.CLOSE, 0, False, None),
    ("chunks for 1.0", GET_10, 200, 11, b"", [CHUNKED], Framing.CLOSE, 0, False, None),
]  # fmt: skip


class Plans(unittest.TestCase):
    def test_framing_follows_the_head(self) -> None:
        for name, request, status, version, reason, fields, *expected in PLANS:
            with self.subTest(name):
                head = ResponseHead(status, version, reason, tuple(fields))
                plan = plan_response(head, parse_head(request))
                framing, length, keep_alive, first = expected
                self.assertEqual(
                    (plan.framing, plan.length, plan.keep_alive), (framing, length, keep_alive)
                )
                self.assertTrue(plan.head.endswith(b"\r\n\r\n"))
                if first is not None:
                    self.assertEqual(plan.head.split(b"\r\n")[0], first)

    def test_fields_keep_case_order_duplicates_and_bytes(self) -> None:
        fields = ((b"Set-Cookie", b"a=1"), (b"x-Y", b"\xff"), (b"set-cookie", b"b=2"), LENGTH)
        plan = plan_response(ResponseHead(200, 11, b"\xe4 ok", fields), parse_head(GET))
        self.assertEqual(
            plan.head,
            b"HTTP/1.1 200 \xe4 ok\r\nSet-Cookie: a=1\r\nx-Y: \xff\r\nset-cookie: b=2\r\n"
            b"Content-Length: 5\r\n\r\n",
        )

    def test_body_without_framing_and_length_is_told_in_chunks(self) -> None:
        for version in (20, 0):
            head = ResponseHead(200, version, b"", ((b"a", b"b"),))
            plan = plan_response(head, parse_head(GET))
            self.assertEqual((plan.framing, plan.keep_alive), (Framing.CHUNKED, True))
            self.assertEqual(
                plan.head, b"HTTP/1.1 200 OK\r\na: b\r\nTransfer-Encoding: chunked\r\n\r\n"
            )

    def test_a_program_of_http_1_0_is_not_told_of_chunks(self) -> None:
        plan = plan_response(ResponseHead(200, 11, b"OK", (CHUNKED,)), parse_head(GET_10))
        self.assertEqual(plan.head, b"HTTP/1.1 200 OK\r\n\r\n")

    def test_payload_of_a_head_reply_is_read(self) -> None:
        payload = struct.pack("<HBxH", 200, 11, 2) + b"OK" + struct.pack("<H", 2)
        payload += struct.pack("<HI", 1, 2) + b"abb" + struct.pack("<HI", 2, 0) + b"cc"
        expected = ResponseHead(200, 11, b"OK", ((b"a", b"bb"), (b"cc", b"")))
        self.assertEqual(ResponseHead.from_payload(payload), expected)

    def test_a_program_that_ends_the_connection_is_told_that_it_ends(self) -> None:
        for version in (11, 20):
            for request, fields, expected in (
                (CLOSE, (LENGTH,), 1),
                (CLOSE, (LENGTH, (b"connection", b"close")), 1),
                (CLOSE, (LENGTH, KEEP), 1),
                (GET, (LENGTH,), 0),
            ):
                head = ResponseHead(200, version, b"", fields)
                told = plan_response(head, parse_head(request)).head.lower()
                self.assertEqual(told.count(b"connection: close"), expected)
                self.assertEqual(told.count(b"connection:"), expected)

    def test_trailers_stand_behind_the_last_chunk(self) -> None:
        self.assertEqual(last_chunk(b""), b"0\r\n\r\n")
        payload = pack_fields((("X-Sum", "a b"), ("ETag", '"1"')))
        self.assertEqual(last_chunk(payload), b'0\r\nX-Sum: a b\r\nETag: "1"\r\n\r\n')


if __name__ == "__main__":
    unittest.main()
