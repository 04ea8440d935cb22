"""Uses the network again and again, and reports how often that worked and what ended it."""

from __future__ import annotations

import contextlib
import http.client
import json
import socket
from collections import Counter
from collections.abc import Callable


def repeat(times: int, action: Callable[[int], object]) -> None:
    """Print how often the action worked, and the errors of the other times."""
    ends: Counter[str] = Counter()
    for number in range(times):
        try:
            action(number)
        except Exception as error:
            ends[end(error)] += 1
        else:
            ends["done"] += 1
    print(json.dumps(ends))


def end(error: BaseException) -> str:
    """The limit that an exception names, or its type."""
    inner: BaseException | None = error
    while inner is not None:
        limit = getattr(inner, "limit", None)
        if isinstance(limit, str):
            return limit
        inner = inner.__cause__ or inner.__context__
    return type(error).__name__


def fetch(port: int, *, tls: bool = False, body: bytes | None = None) -> None:
    """Make one request on its own connection."""
    kind = http.client.HTTPSConnection if tls else http.client.HTTPConnection
    client = kind("127.0.0.1", port, timeout=60)
    try:
        client.request("POST" if body else "GET", "/get" if body is None else "/upload", body)
        client.getresponse().read()
    finally:
        client.close()


def open_and_close(port: int, host: str = "127.0.0.1") -> None:
    """Make a connection without a request."""
    with contextlib.closing(socket.create_connection((host, port), 60)):
        pass


def ask(name: str) -> None:
    """Look up the addresses of a name."""
    socket.getaddrinfo(name, 80)
