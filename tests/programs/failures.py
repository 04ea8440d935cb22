"""Servers that fail. Arguments: base URL of the raw server, base URL where nobody listens."""

from __future__ import annotations

import http.client
import sys
import urllib.parse
import urllib.request
from collections.abc import Callable

from report import attempt

BASE, NOBODY = sys.argv[1:3]
HEAD_FAULTS = ("/garbage", "/other-protocol", "/bad-status", "/half-head", "/close", "/reset")
HEAD_TOO_LARGE = ("/many-fields", "/long-field")
BODY_FAULTS = ("/short-body", "/short-chunked", "/short-chunk", "/bad-chunk", "/reset-in-body")
SILENT = ("/silent", "/silent-in-body")
TIMEOUT = 0.5


def with_urllib(base: str, path: str, timeout: float | None = None) -> object:
    request = urllib.request.Request(base + path, headers={"X-Client": "urllib"})
    with urllib.request.urlopen(request, timeout=timeout) as response:
        return [response.status, response.read().decode()]


def with_http_client(base: str, path: str, timeout: float | None = None) -> object:
    url = urllib.parse.urlsplit(base)
    assert url.hostname is not None
    connection = http.client.HTTPConnection(url.hostname, url.port, timeout=timeout)
    try:
        connection.request("GET", path)
        response = connection.getresponse()
        return [response.status, response.read().decode()]
    finally:
        connection.close()


def half_read() -> object:
    """The bytes before the fault can be read, and the fault comes after them."""
    response = urllib.request.urlopen(BASE + "/short-body")
    beginning = response.read(9).decode()
    return [beginning, response.read(1).decode()]


def early_answer() -> object:
    request = urllib.request.Request(BASE + "/early-413", data=bytes(4 << 20))
    try:
        urllib.request.urlopen(request)
    except urllib.error.HTTPError as error:
        return [error.code, error.reason, error.read().decode()]
    return "no error"


CLIENTS: dict[str, Callable[..., object]] = {
    "urllib": with_urllib,
    "http.client": with_http_client,
}
for name, fetch in CLIENTS.items():
    for path in (*HEAD_FAULTS, *HEAD_TOO_LARGE, *BODY_FAULTS):
        attempt(f"{name} {path}", fetch, BASE, path)
        attempt(f"{name} after {path}", fetch, BASE, "/ok")
    for path in SILENT:
        attempt(f"{name} {path}", fetch, BASE, path, TIMEOUT)
        attempt(f"{name} after {path}", fetch, BASE, "/ok", 30)
    attempt(f"{name} refused", fetch, NOBODY, "/ok")
attempt("half read", half_read)
attempt("early answer", early_answer)
