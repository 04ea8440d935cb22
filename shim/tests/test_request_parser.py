"""The parser of requests, with their bytes cut in every way."""

import support  # noqa: F401, I001 - first: it installs the stand-ins

import errno
import unittest
from collections.abc import Iterable

from sandbox_net.http1_request import BodyEnd, RequestHead, RequestParser

HOST = (b"Host", b"a.example")

# name, bytes, and for each request: method, target, fields, body kind, size, body, keep-alive
REQUESTS = [
    (
        "a request without a body",
        b"GET /a?b=c HTTP/1.1\r\nHost: a.example\r\n\r\n",
        [(b"GET", b"/a?b=c", (HOST,), 0, 0, b"", True)],
    ),
    (
        "names keep their case, order and duplicates, values their inner spaces",
        b"GET / HTTP/1.1\r\nx-B: 1\r\nHost:a.example\r\nX-b: \t2  3 \r\nx-B:\r\n\r\n",
        [(b"GET", b"/", ((b"x-B", b"1"), HOST, (b"X-b", b"2  3"), (b"x-B", b"")), 0, 0, b"", True)],
    ),
    (
        "bytes above 127 in a value",
        b"GET / HTTP/1.1\r\nX: \xe4\xff\r\n\r\n",
        [(b"GET", b"/", ((b"X", b"\xe4\xff"),), 0, 0, b"", True)],
    ),
    (
        "a body by Content-Length",
        b"POST / HTTP/1.1\r\nHost: a.example\r\nContent-Length: 5\r\n\r\n\r\n\r\n\0",
        [(b"POST", b"/", (HOST, (b"Content-Length", b"5")), 1, 5, b"\r\n\r\n\0", True)],
    ),
    (
        "an empty body is announced as one",
        b"POST / HTTP/1.1\r\nContent-Length: 0\r\n\r\n",
        [(b"POST", b"/", ((b"Content-Length", b"0"),), 1, 0, b"", True)],
    ),
    (
        "the same Content-Length twice is one",
        b"PUT / HTTP/1.1\r\ncontent-length: 2\r\nContent-Length: 2\r\n\r\nab",
        [(b"PUT", b"/", ((b"content-length", b"2"),), 1, 2, b"ab", True)],
    ),
    (
        "chunks, with extensions and a body that looks like a chunk",
        b"POST / HTTP/1.1\r\nTransfer-Encoding: Chunked\r\n\r\n"
        b'5;a=b;c="d"\r\n0\r\n\r\n\r\n0A \r\n0123456789\r\n000\r\n\r\n',
        [
            (
                b"POST",
                b"/",
                ((b"Transfer-Encoding", b"Chunked"),),
                2,
                0,
                b"0\r\n\r\n0123456789",
                True,
            )
        ],
    ),
    (
        "one request after the other",
        b"GET /1 HTTP/1.1\r\n\r\n"
        b"POST /2 HTTP/1.1\r\nContent-Length: 1\r\n\r\nx"
        b"GET /3 HTTP/1.1\r\n\r\n",
        [
            (b"GET", b"/1", (), 0, 0, b"", True),
            (b"POST", b"/2", ((b"Content-Length", b"1"),), 1, 1, b"x", True),
            (b"GET", b"/3", (), 0, 0, b"", True),
        ],
    ),
    (
        "empty lines before a request",
        b"\r\n\r\nGET / HTTP/1.1\r\n\r\n",
        [(b"GET", b"/", (), 0, 0, b"", True)],
    ),
    (
        "lines that end with a bare line feed",
        b"GET / HTTP/1.1\nHost: a.example\n\n",
        [(b"GET", b"/", (HOST,), 0, 0, b"", True)],
    ),
    (
        "what a connection is asked for beside other things stays behind, with hop-by-hop fields",
        b"GET / HTTP/1.1\r\nConnection: x, Close\r\nKeep-Alive: 5\r\nExpect: 100-continue\r\n\r\n",
        [(b"GET", b"/", (), 0, 0, b"", False)],
    ),
    (
        "a connection's end that is asked for alone is told",
        b"GET / HTTP/1.1\r\nA: 1\r\nconnection: Close\r\nB: 2\r\n\r\n",
        [
            (
                b"GET",
                b"/",
                ((b"A", b"1"), (b"connection", b"Close"), (b"B", b"2")),
                0,
                0,
                b"",
                False,
            )
        ],
    ),
    (
        "HTTP/1.0 ends the connection",
        b"GET / HTTP/1.0\r\n\r\n",
        [(b"GET", b"/", (), 0, 0, b"", False)],
    ),
    (
        "HTTP/1.0 with keep-alive",
        b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
        [(b"GET", b"/", ((b"Connection", b"keep-alive"),), 0, 0, b"", True)],
    ),
]

HEAD = b"POST / HTTP/1.1\r\n"
REFUSED = [
    (b"CONNECT a.example:443 HTTP/1.1\r\n", errno.EPROTONOSUPPORT, "no proxies"),
    (b"GET http://a.example/ HTTP/1.1\r\n", errno.EPROTONOSUPPORT, "not a path"),
    (b"OPTIONS * HTTP/1.1\r\n", errno.EPROTONOSUPPORT, "not a path"),
    (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", errno.EPROTONOSUPPORT, "HTTP/2 is spoken by the host"),
    (b"\x16\x03\x01\x02\x00", errno.EPROTONOSUPPORT, "does not begin one"),
    (b"EHLO client\r\n", errno.EPROTONOSUPPORT, "does not begin one"),
    (b"SSH-2.0-x\r\n", errno.EPROTONOSUPPORT, "does not begin one"),
    (b"GET /\r\n", errno.EPROTONOSUPPORT, "does not begin one"),
    (b"GET /a b HTTP/1.1\r\n", errno.EPROTONOSUPPORT, "does not begin one"),
    (b"GET / HTTP/3.0\r\n", errno.EPROTONOSUPPORT, "does not begin one"),
    (HEAD + b"A: 1\r\n folded\r\n\r\n", errno.EPROTO, "folded"),
    (HEAD + b"no colon\r\n\r\n", errno.EPROTO, "no header line"),
    (HEAD + b"A : 1\r\n\r\n", errno.EPROTO, "no header line"),
    (HEAD + b": 1\r\n\r\n", errno.EPROTO, "no header line"),
    (HEAD + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\n", errno.EPROTO, "different values"),
    (HEAD + b"Content-Length: 1, 1\r\n\r\n", errno.EPROTO, "no Content-Length"),
    (HEAD + b"Content-Length: +1\r\n\r\n", errno.EPROTO, "no Content-Length"),
    (HEAD + b"Content-Length: \r\n\r\n", errno.EPROTO, "no Content-Length"),
    (
        HEAD + b"Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
        errno.EPROTO,
        "both Content-Length and Transfer-Encoding",
    ),
    (HEAD + b"Transfer-Encoding: gzip, chunked\r\n\r\n", errno.EPROTONOSUPPORT, "coding"),
    (HEAD + b"Transfer-Encoding: identity\r\n\r\n", errno.EPROTONOSUPPORT, "coding"),
    (HEAD + b"Transfer-Encoding: chunked\r\n\r\nxyz\r\n", errno.EPROTO, "no chunk size"),
    (HEAD + b"Transfer-Encoding: chunked\r\n\r\n-1\r\n", errno.EPROTO, "no chunk size"),
    (HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + b"0" * 5000, errno.EPROTO, "too long"),
    (HEAD + b"Transfer-Encoding: chunked\r\n\r\n1\r\nab\r\n", errno.EPROTO, "longer"),
    (
        HEAD + b"Transfer-Encoding: chunked\r\n\r\n0\r\nX: 1\r\n\r\n",
        errno.EPROTONOSUPPORT,
        "trailer",
    ),
    (HEAD + b"A: " + b"x" * (1 << 20), errno.EPROTO, "too large"),
]


def parse(pieces: Iterable[bytes]) -> list[list[object]]:
    """Parses the requests in `pieces`; each as in `REQUESTS`."""
    parser = RequestParser()
    requests: list[list[object]] = []
    for piece in pieces:
        for event in parser.feed(memoryview(piece)):
            if isinstance(event, RequestHead):
                head = event
                requests.append([head.method, head.target, head.fields, head.body, head.size])
                requests[-1] += [b"", None]
            elif isinstance(event, BodyEnd):
                requests[-1][6] = head.keep_alive
            else:
                requests[-1][5] += bytes(event)  # type: ignore[operator]
    return requests


class Parsing(unittest.TestCase):
    def test_requests_read_the_same_however_they_are_cut(self) -> None:
        for name, data, expected in REQUESTS:
            wanted = [list(request) for request in expected]
            cuts = [[data[:at], data[at:]] for at in range(len(data) + 1)]
            cuts.append([data[at : at + 1] for at in range(len(data))])
            for pieces in cuts:
                with self.subTest(name, first=len(pieces[0])):
                    self.assertEqual(parse(pieces), wanted)

    def test_what_cannot_be_carried_is_refused_with_its_reason(self) -> None:
        for data, number, text in REFUSED:
            step = 1 if len(data) < 6000 else 997
            for pieces in ([data], [data[at : at + step] for at in range(0, len(data), step)]):
                with self.subTest(data[:60], pieces=len(pieces)):
                    with self.assertRaises(OSError) as caught:
                        parse(pieces)
                    self.assertEqual(caught.exception.errno, number)
                    self.assertIn("sandbox-net: ", str(caught.exception))
                    self.assertIn(text, str(caught.exception))

    def test_body_views_are_not_copies(self) -> None:
        data = memoryview(bytearray(b"POST / HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc"))
        views = [event for event in RequestParser().feed(data) if isinstance(event, memoryview)]
        self.assertEqual([view.obj for view in views], [data.obj])

    def test_state_between_requests_is_known(self) -> None:
        parser = RequestParser()
        self.assertTrue(parser.between_requests)
        list(parser.feed(memoryview(b"G")))
        self.assertFalse(parser.between_requests)
        list(parser.feed(memoryview(b"ET / HTTP/1.1\r\n\r\n\r\n")))
        self.assertTrue(parser.between_requests)


if __name__ == "__main__":
    unittest.main()
