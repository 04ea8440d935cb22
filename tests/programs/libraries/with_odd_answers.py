"""Answers that are barely HTTP. Arguments: ``odd``, ``ends`` and ``stays``, paths with commas."""

from __future__ import annotations

import asyncio
import http.client
from collections.abc import Iterable
from typing import Protocol
from urllib.parse import urlsplit

import aiohttp
import httpx
import requests
from columns import SERVERS
from report import attempt

BASE = SERVERS["odd"]
LONG = 8.0


class Session(Protocol):
    """A client that keeps its connection."""

    def fetch(self, path: str, method: str = "GET") -> object: ...
    def close(self) -> None: ...


def shown(
    status: int, reason: str | None, fields: Iterable[tuple[str, str]], body: bytes
) -> object:
    phrase = (reason or "").encode("utf-8", "surrogateescape").decode("latin-1")
    return [status, phrase[:40], [list(field) for field in fields], body.decode("latin-1")]


class ByHttpClient:
    def __init__(self) -> None:
        self.connection = http.client.HTTPConnection(urlsplit(BASE).netloc, timeout=LONG)

    def fetch(self, path: str, method: str = "GET") -> object:
        self.connection.request(method, path)
        found = self.connection.getresponse()
        return shown(found.status, found.reason, found.getheaders(), found.read())

    def close(self) -> None:
        self.connection.close()


class ByRequests:
    def __init__(self) -> None:
        self.session = requests.Session()

    def fetch(self, path: str, method: str = "GET") -> object:
        found = self.session.request(method, BASE + path, timeout=LONG)
        return shown(found.status_code, found.reason, found.raw.headers.items(), found.content)

    def close(self) -> None:
        self.session.close()


class ByHttpx:
    def __init__(self) -> None:
        self.client = httpx.Client(timeout=LONG)

    def fetch(self, path: str, method: str = "GET") -> object:
        found = self.client.request(method, BASE + path)
        fields = [(k.decode("latin-1"), v.decode("latin-1")) for k, v in found.headers.raw]
        return shown(found.status_code, found.reason_phrase, fields, found.content)

    def close(self) -> None:
        self.client.close()


class ByAiohttp:
    def __init__(self) -> None:
        self.runner = asyncio.Runner()
        self.session = self.runner.run(self.begin())

    async def begin(self) -> aiohttp.ClientSession:
        return aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(LONG))

    def fetch(self, path: str, method: str = "GET") -> object:
        return self.runner.run(self.fetched(path, method))

    async def fetched(self, path: str, method: str) -> object:
        async with self.session.request(method, BASE + path) as found:
            fields = [(k.decode("latin-1"), v.decode("latin-1")) for k, v in found.raw_headers]
            return shown(found.status, found.reason, fields, await found.read())

    def close(self) -> None:
        self.runner.run(self.session.close())
        self.runner.close()


CLIENTS: dict[str, type[Session]] = {
    "http.client": ByHttpClient,
    "requests": ByRequests,
    "httpx": ByHttpx,
    "aiohttp": ByAiohttp,
}
for client, make in CLIENTS.items():
    for path in SERVERS["ends"].split(","):
        session = make()
        attempt(f"{client}: {path}", session.fetch, path)
        session.close()
    for path in SERVERS["stays"].split(","):
        session = make()
        attempt(f"{client}: {path}", session.fetch, path)
        attempt(f"{client}: after {path}", session.fetch, "/fine")
        attempt(f"{client}: later than {path}", session.fetch, "/fine")
        session.close()
    session = make()
    attempt(f"{client}: HEAD /odd-404", session.fetch, "/odd-404", "HEAD")
    session.close()
