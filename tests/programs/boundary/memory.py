"""Cases that make the host keep memory. Arguments: the case, the base URL, the case's arguments.

Every case keeps what it begins until the host refuses, releases it, and then makes a good request.
"""

from __future__ import annotations

import collections
import gc
import http.client
import ssl
import sys
import time
import urllib.parse
import urllib.request
from collections.abc import Callable

import frames
from report import attempt, describe, emit

CASE, BASE, *REST = sys.argv[1:]
URL = urllib.parse.urlsplit(BASE)
HOST, PORT = str(URL.hostname), URL.port or 80


def client(context: ssl.SSLContext | None = None) -> http.client.HTTPConnection:
    """A client that is not connected yet."""
    if URL.scheme == "https":
        return http.client.HTTPSConnection(HOST, PORT, context=context)
    return http.client.HTTPConnection(HOST, PORT)


def until_refused(begin: Callable[[], object], most: int) -> None:
    """Begin again and again; report the number of successes, and the refusal."""
    held: list[object] = []
    refusal = None
    try:
        while len(held) < most:
            held.append(begin())
    except OSError as error:
        refusal = describe(error)
    emit("refused", [len(held), refusal])
    held.clear()
    gc.collect()


def good(case: str) -> None:
    """Make a good request."""

    def get() -> int:
        with urllib.request.urlopen(f"{BASE}/get") as response:
            response.read()
            return int(response.status)

    attempt(case, get)


def sent(fields: int, path: str = "/silent") -> http.client.HTTPConnection:
    """Send a request with so many fields, and do not wait for its answer."""
    connection = client()
    connection.putrequest("GET", path, skip_accept_encoding=True)
    for _ in range(fields - 1):
        connection.putheader("a", "b")
    connection.endheaders()
    return connection


def heads() -> None:
    until_refused(lambda: sent(1000), 1000)


def too_many_fields() -> None:
    for fields in (1001, 5000, 52_000):
        attempt(str(fields), lambda fields=fields: str(sent(fields)))
    attempt("1000", lambda: sent(1000, "/get").getresponse().status)


def protocols() -> None:
    """Send frames directly: the shim respects the size of an extension."""
    for count in (32_000, 1001, 1000):
        connection = frames.opened(HOST, PORT)
        payload = frames.tls_payload(alpn=b"\x01x" * count)
        reply = frames.call(frames.START_TLS, connection, 5, payload)
        emit(f"{count} names", [reply.outcome, reply.payload[4:].decode()])
        frames.call(frames.CLOSE, connection)


def options() -> None:
    """Make a connection for each authority, and one that trusts all of them."""

    def trusting(others: list[str]) -> ssl.SSLContext:
        context = ssl.create_default_context()
        for pem in others:
            context.load_verify_locations(cadata=pem)
        return context

    pems = iter(REST)

    def connected() -> object:
        connection = client(trusting([next(pems)]))
        connection.connect()
        return connection

    until_refused(connected, len(REST))


def unread() -> None:
    """Read only the heads of responses."""

    def asked() -> object:
        connection = client()
        connection.request("GET", "/endless?unread")
        response = connection.getresponse()
        return connection, response, response.read(10)

    until_refused(asked, 1000)


def trailers() -> None:
    """Read responses only up to their bodies, and the rest at the end."""

    def begun() -> http.client.HTTPResponse:
        connection = client()
        connection.request("POST", "/")
        response = connection.getresponse()
        response.read(10)
        return response

    def end(action: Callable[[], object]) -> str:
        try:
            action()
        except (OSError, http.client.HTTPException) as error:
            return str(getattr(error, "limit", None) or type(error).__name__)
        return "done"

    held: list[http.client.HTTPResponse] = []
    ends = [end(lambda: held.append(begun())) for _ in range(int(REST[0]))]
    emit("begun", collections.Counter(ends))
    time.sleep(1)
    emit("read", collections.Counter([end(response.read) for response in held]))
    held.clear()
    gc.collect()


def uploads() -> None:
    """Send bodies that nobody reads, as far as the host takes them."""
    taken = 0

    def begun() -> object:
        nonlocal taken
        connection = client()
        connection.putrequest("POST", "/unread")
        connection.putheader("Transfer-Encoding", "chunked")
        connection.endheaders()
        connection.sock.setblocking(False)
        try:
            while True:
                taken += connection.sock.send(b"10000\r\n" + bytes(0x10000) + b"\r\n")
        except (BlockingIOError, ssl.SSLWantWriteError):
            return connection

    until_refused(begun, 1000)


def one_at_a_time() -> None:
    """Send requests one after the other with any client, and two at once."""
    for number in range(3):
        good(f"new {number}")
    connection = client()
    for number in range(3):
        connection.request("GET", "/get")
        response = connection.getresponse()
        emit(f"again {number}", [response.status, len(response.read()) > 0])
    connection.request("GET", "/slow")
    good("second")
    connection.close()


def printed() -> None:
    line = "x" * 1023 + "\n"
    for _ in range(int(REST[0])):
        sys.stderr.write(line)


def many() -> None:
    """Send a large body both ways beside many connections."""
    waiting = [client() for _ in range(100)]
    for connection in waiting:
        connection.request("GET", "/get")
    with urllib.request.urlopen(f"{BASE}/large/4") as response:
        emit("down", len(response.read()))
    emit("statuses", sorted({connection.getresponse().status for connection in waiting}))


globals()[CASE]()
good("after it")
