"""Bodies of every size and byte value. Arguments: the base URL of the HTTP server."""

from __future__ import annotations

import hashlib
import http.client
import io
import sys
import tempfile
import urllib.parse
import urllib.request
from collections.abc import Iterator

from report import attempt, pattern

BASE = sys.argv[1]
URL = urllib.parse.urlsplit(BASE)
ALL = bytes(range(256))
# Around the usual sizes of buffers, and larger than all of them.
SIZES = (0, 1, 2, 4095, 4096, 4097, 65535, 65536, 65537, 1 << 20, (1 << 20) + 1, 3 << 20)


def post(path: str, body: bytes | Iterator[bytes] | io.IOBase) -> bytes:
    """The server's answer to a POST."""
    request = urllib.request.Request(BASE + path, data=body, method="POST")
    with urllib.request.urlopen(request) as response:
        answer: bytes = response.read()
        return answer


def connect() -> http.client.HTTPConnection:
    assert URL.hostname is not None
    if URL.scheme == "https":
        return http.client.HTTPSConnection(URL.hostname, URL.port)
    return http.client.HTTPConnection(URL.hostname, URL.port)


def all_bytes() -> object:
    with urllib.request.urlopen(BASE + "/all-bytes") as response:
        down = response.read()
    return [down == ALL, post("/echo", ALL) == ALL, post("/echo", ALL * 300) == ALL * 300]


def sizes() -> object:
    return [size for size in SIZES if post("/echo", pattern(size)) != pattern(size)]


def chunk_sizes() -> object:
    def pieces(size: int) -> Iterator[bytes]:
        for start in range(0, len(whole), size):
            yield whole[start : start + size]

    whole = pattern(50_000)
    return [size for size in (7, 1000, 65536) if post("/echo", pieces(size)) != whole]


def files() -> object:
    with tempfile.TemporaryFile(dir=".") as file:
        file.write(pattern(200_000))
        file.seek(0)
        from_disk = post("/echo", file)
    from_memory = post("/echo", io.BytesIO(pattern(200_000)))
    return [from_disk == pattern(200_000), from_memory == pattern(200_000)]


def once() -> object:
    connection = connect()
    connection.request("POST", "/count", body=b"count me")
    response = connection.getresponse()
    digest, length = hashlib.sha256(), 0
    while piece := response.read(1000):
        digest.update(piece)
        length += len(piece)
    connection.close()
    return [response.getheader("X-Count"), length, digest.hexdigest()]


def two_at_a_time() -> object:
    connections = [connect(), connect()]
    responses = []
    for connection in connections:
        connection.request("GET", "/bytes/300000")
        responses.append(connection.getresponse())
    bodies = [b"", b""]
    for _ in range(30):
        for number, response in enumerate(responses):
            bodies[number] += response.read(10_000)
    for connection in connections:
        connection.close()
    return [body == pattern(300_000) for body in bodies]


def left_unread() -> object:
    connection = connect()
    connection.request("GET", "/large/64")
    response = connection.getresponse()
    beginning = response.read(5) == pattern(5)
    connection.close()
    return [beginning, post("/echo", b"after it") == b"after it"]


attempt("all bytes", all_bytes)
attempt("sizes", sizes)
attempt("chunk sizes", chunk_sizes)
attempt("files", files)
attempt("executed once", once)
attempt("two at a time", two_at_a_time)
attempt("left unread", left_unread)
