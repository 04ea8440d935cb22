"""Requests as ``cases.json`` describes them: a list of objects with a URL; all else is optional.

In every text ``{NAME}`` means the environment variable of that name.
"""

from __future__ import annotations

import http.client
import json
import os
import pathlib
import struct
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterable
from typing import Any

import frames
import requests
from report import attempt

TIMEOUT = 60
SHOWN = 8192
Case = dict[str, Any]


def shown(status: int, reason: str, url: str, fields: Iterable[Any], body: bytes) -> object:
    return {
        "status": status,
        "reason": reason,
        "url": url,
        "headers": [list(field) for field in fields],
        "length": len(body),
        "body": body[:SHOWN].decode("latin-1"),
    }


def body_of(case: Case) -> bytes | None:
    if "bytes" in case:
        return bytes(case["bytes"])
    return str(case["body"]).encode() if "body" in case else None


def with_urllib(case: Case) -> object:
    request = urllib.request.Request(
        case["url"], body_of(case), case.get("headers", {}), method=case.get("method")
    )
    try:
        response = urllib.request.urlopen(request, timeout=TIMEOUT)
    except urllib.error.HTTPError as error:
        response = error
    with response:
        fields = response.headers.items()
        return shown(response.status, response.reason, response.url, fields, response.read())


def with_requests(case: Case) -> object:
    response = SESSION.request(
        case.get("method", "GET"),
        case["url"],
        headers=case.get("headers"),
        data=body_of(case),
        auth=tuple(case["auth"]) if "auth" in case else None,
        timeout=TIMEOUT,
    )
    fields = response.headers.items()
    return shown(response.status_code, response.reason, response.url, fields, response.content)


def with_http_client(case: Case) -> object:
    url = urllib.parse.urlsplit(case["url"])
    kind = http.client.HTTPSConnection if url.scheme == "https" else http.client.HTTPConnection
    connection = kind(str(url.hostname), url.port, timeout=TIMEOUT)
    target = url._replace(scheme="", netloc="").geturl() or "/"
    try:
        method = case.get("method", "GET")
        connection.request(method, target, body_of(case), case.get("headers", {}))
        response = connection.getresponse()
        fields = response.getheaders()
        return shown(response.status, response.reason, case["url"], fields, response.read())
    finally:
        connection.close()


def while_open(case: Case) -> object:
    """Send another request while a response is under way."""
    with urllib.request.urlopen(case["url"], timeout=TIMEOUT) as response:
        response.read(1)
        with urllib.request.urlopen(case["then"], timeout=TIMEOUT) as other:
            return other.status


def streamed(case: Case) -> object:
    """Read the beginning of a response before another request, and the rest afterwards."""
    url, then = case["url"], case["then"]
    if case["by"] == "requests":
        with SESSION.get(url, stream=True, timeout=TIMEOUT) as answer:
            pieces = answer.iter_content(5)
            beginning = next(pieces)
            urllib.request.urlopen(then, timeout=TIMEOUT).close()
            return (beginning + b"".join(pieces)).decode()
    with urllib.request.urlopen(url, timeout=TIMEOUT) as response:
        beginning = response.read(5)
        urllib.request.urlopen(then, timeout=TIMEOUT).close()
        return (beginning + response.read()).decode()


def with_frames(case: Case) -> object:
    """Send frames without the shim, over plain HTTP."""
    url = urllib.parse.urlsplit(case["url"])
    connection = frames.opened(str(url.hostname), url.port or 80)
    exchange = frames.requested(connection, (url.path or "/").encode())
    status = frames.status_of(exchange)
    body = frames.body_of(exchange)
    for handle in (exchange, connection):
        frames.call(frames.CLOSE, handle)
    return shown(status, "", case["url"], (), body)


def with_bad_frames(case: Case) -> object:
    """Send a request that no HTTP client would write."""
    url = urllib.parse.urlsplit(case["url"])
    connection = frames.opened(str(url.hostname), url.port or 80)
    path, method = case["path"].encode(), case.get("method", "GET").encode()
    payload = frames.request_payload(path, method)
    if "count" in case:
        # This many fields are announced, and none follows.
        payload = payload[:-2] + struct.pack("<H", case["count"])
    outcome = frames.call(frames.REQUEST, connection, 0, payload).outcome
    frames.call(frames.CLOSE, connection)
    return outcome


def connect_frame(case: Case) -> object:
    reply = frames.call(frames.CONNECT, 0, case["port"], frames.connect_payload(case["host"]))
    return reply.outcome


SESSION = requests.Session()
CLIENTS: dict[str, Callable[[Case], object]] = {
    "urllib": with_urllib,
    "requests": with_requests,
    "http.client": with_http_client,
    "while open": while_open,
    "streamed": streamed,
    "frames": with_frames,
    "bad frames": with_bad_frames,
    "connect frame": connect_frame,
}


def main() -> None:
    text = pathlib.Path("cases.json").read_text()
    for name, value in os.environ.items():
        text = text.replace("{" + name + "}", value)
    for case in json.loads(text):
        attempt(case["case"], CLIENTS[case.get("client", "urllib")], case)


if __name__ == "__main__":
    main()
