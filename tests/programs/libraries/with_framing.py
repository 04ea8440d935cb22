"""Answers in unusual forms, good and bad. Arguments: ``raw``, and the three ways of `columns`."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from typing import Any

import aiohttp
import httpx
import requests
from columns import LATER, LONG, SERVERS
from report import attempt

LARGE = bytes(4 << 20)
UNUSUAL = ("/ok", "/spelling", "/http10", "/close-delimited", "/in-pieces")
BROKEN = (
    *("/garbage", "/other-protocol", "/bad-status", "/close", "/reset", "/many-fields"),
    *("/short-body", "/short-chunked", "/bad-chunk", "/reset-in-body", "/bad-gzip"),
    *("/silent", "/silent-in-body"),
)
# These fields concern the connection, not the response.
HIDDEN = ("connection", "date", "transfer-encoding")
Fetch = Callable[..., object]


def shown(
    status: int, reason: str | None, fields: Iterable[tuple[str, str]], body: bytes
) -> object:
    kept = sorted([name, value] for name, value in fields if name.lower() not in HIDDEN)
    # Bytes that are not text are kept, in a printable form.
    phrase = (reason or "").encode("utf-8", "surrogateescape").decode("latin-1")
    return [status, phrase, kept, len(body), body[:40].decode("latin-1")]


def with_requests(method: str, url: str, timeout: float = LONG, **options: Any) -> object:
    response = requests.request(method, url, timeout=timeout, **options)
    fields = response.raw.headers.items()
    return shown(response.status_code, response.reason, fields, response.content)


def with_httpx(method: str, url: str, timeout: float = LONG, **options: Any) -> object:
    if "data" in options:
        options["content"] = options.pop("data")
    response = httpx.request(method, url, timeout=timeout, **options)
    fields = [(name.decode(), value.decode("latin-1")) for name, value in response.headers.raw]
    return shown(response.status_code, response.reason_phrase, fields, response.content)


def with_aiohttp(method: str, url: str, timeout: float = LONG, **options: Any) -> object:
    async def fetch() -> object:
        async with (
            aiohttp.ClientSession() as session,
            session.request(
                method, url, timeout=aiohttp.ClientTimeout(timeout), **options
            ) as found,
        ):
            fields = [(k.decode(), v.decode("latin-1")) for k, v in found.raw_headers]
            return shown(found.status, found.reason, fields, await found.read())

    return asyncio.run(fetch())


def continued(base: str) -> object:
    """A body that waits for `100 Continue`."""
    headers = {"Expect": "100-continue"}
    response = requests.post(base + "/echo", data=b"some bytes", headers=headers)
    return [response.status_code, response.text]


def continued_by_aiohttp(base: str) -> object:
    async def post() -> object:
        async with (
            aiohttp.ClientSession() as session,
            session.post(base + "/echo", data=b"some bytes", expect100=True) as response,
        ):
            return [response.status, await response.text()]

    return asyncio.run(post())


CLIENTS: dict[str, Fetch] = {
    "requests": with_requests,
    "httpx": with_httpx,
    "aiohttp": with_aiohttp,
}
for client, fetch in CLIENTS.items():
    raw = SERVERS["raw"]
    for path in UNUSUAL:
        attempt(f"{client}: {path}", fetch, "GET", raw + path)
    attempt(f"{client}: early answer", fetch, "POST", raw + "/early-413", data=LARGE)
    for path in BROKEN:
        timeout = LATER if "silent" in path else LONG
        attempt(f"{client}: broken {path}", fetch, "GET", raw + path, timeout)
    for server, base in SERVERS.items():
        if server == "raw":
            continue
        for path in ("/status/204", "/status/304", "/status/404", "/close", "/stream/3"):
            attempt(f"{client}: {path} / {server}", fetch, "GET", base + path)
        attempt(f"{client}: HEAD / {server}", fetch, "HEAD", base + "/bytes/7")
for server in ("http", "https", "http2"):
    attempt(f"requests: 100-continue / {server}", continued, SERVERS[server])
    attempt(f"aiohttp: 100-continue / {server}", continued_by_aiohttp, SERVERS[server])
