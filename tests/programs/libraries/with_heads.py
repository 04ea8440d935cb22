"""Requests of many forms, to a server that keeps their heads byte for byte. Argument: ``raw``."""

from __future__ import annotations

import asyncio
import http.client
import urllib.request
from collections.abc import AsyncIterator, Callable, Iterator
from urllib.parse import urlsplit

import aiohttp
import httpcore
import httplib2
import httpx
import requests
import urllib3
from columns import SERVERS
from report import attempt

URL = SERVERS["raw"] + "/ok"
# What differs between two versions of Python.
SAME = {"User-Agent": "test", "Accept-Encoding": "identity"}
ODD = {**SAME, "x-ODD": "1", "X-odd": "2", "aCCEPT": "text/html", "CONTENT-type": "a/b"}


def parts() -> Iterator[bytes]:
    yield b"one"
    yield b"two"


async def parts_async() -> AsyncIterator[bytes]:
    for part in parts():
        yield part


def by_http_client(method: str, body: object, headers: dict[str, str]) -> object:
    connection = http.client.HTTPConnection(urlsplit(URL).netloc)
    connection.request(method, urlsplit(URL).path, body, headers)
    return connection.getresponse().status


def line_by_line(*lines: tuple[str, str]) -> object:
    connection = http.client.HTTPConnection(urlsplit(URL).netloc)
    connection.putrequest("PUT", urlsplit(URL).path, skip_host=True, skip_accept_encoding=True)
    for name, value in lines:
        connection.putheader(name, value)
    connection.endheaders(b"body")
    return connection.getresponse().status


def by_urllib(data: bytes | None, headers: dict[str, str]) -> object:
    with urllib.request.urlopen(urllib.request.Request(URL, data, headers)) as response:
        return response.status


def by_aiohttp(method: str, **options: object) -> object:
    async def fetch() -> object:
        async with (
            aiohttp.ClientSession() as session,
            session.request(method, URL, **options) as response,
        ):
            return response.status

    return asyncio.run(fetch())


def by_httpx(method: str, **options: object) -> object:
    async def fetch() -> object:
        async with httpx.AsyncClient() as client:
            return (await client.request(method, URL, **options)).status_code

    return asyncio.run(fetch())


HOST = urlsplit(URL).netloc
CLOSE = {**SAME, "Connection": "close"}
KEEP = {"connection": "Keep-Alive", **SAME}
CASES: dict[str, Callable[[], object]] = {
    "http.client": lambda: by_http_client("GET", None, {}),
    "http.client, body": lambda: by_http_client("POST", b"body", ODD),
    "http.client, parts": lambda: by_http_client("POST", parts(), CLOSE),
    "http.client, no body": lambda: by_http_client("POST", None, KEEP),
    "http.client, Host last": lambda: line_by_line(
        ("A", "1"), ("content-LENGTH", "4"), ("CONNECTION", "close"), ("b", "2"), ("hOst", HOST)
    ),
    "http.client, Host between": lambda: line_by_line(
        ("Content-Length", "4"), ("Connection", "Keep-Alive"), ("Host", HOST), ("A", "1")
    ),
    "urllib": lambda: by_urllib(None, SAME),
    "urllib, body": lambda: by_urllib(b"body", ODD),
    "urllib3": lambda: urllib3.request("GET", URL, headers=SAME).status,
    "urllib3, fields": lambda: urllib3.request("GET", URL, fields={}, headers=ODD).status,
    "urllib3, JSON": lambda: urllib3.request("PUT", URL, json=[1], headers=SAME).status,
    "urllib3, keep-alive": lambda: (
        urllib3.request("GET", URL, headers=urllib3.make_headers(keep_alive=True)).status
    ),
    "requests": lambda: requests.get(URL, headers=SAME).status_code,
    "requests, form": lambda: requests.post(URL, {"a": "b"}, headers=ODD).status_code,
    "requests, JSON": lambda: requests.patch(URL, json={"a": 1}, headers=SAME).status_code,
    "requests, parts": lambda: requests.put(URL, parts(), headers=SAME).status_code,
    "requests, close": lambda: requests.delete(URL, headers=CLOSE).status_code,
    "requests, auth": lambda: requests.get(URL, auth=("a", "b"), headers=SAME).status_code,
    "requests, cookie": lambda: requests.get(URL, cookies={"a": "b"}, headers=SAME).status_code,
    "httpx": lambda: httpx.get(URL, headers=SAME).status_code,
    "httpx, body": lambda: httpx.post(URL, content=b"body", headers=ODD).status_code,
    "httpx, parts": lambda: httpx.post(URL, content=parts(), headers=CLOSE).status_code,
    "httpx, form": lambda: httpx.post(URL, data={"a": "b"}, headers=SAME).status_code,
    "httpx, asyncio": lambda: by_httpx("GET", headers=SAME),
    "httpx, asyncio, parts": lambda: by_httpx("PUT", content=parts_async(), headers=KEEP),
    "httpcore": lambda: httpcore.request("GET", URL).status,
    "aiohttp": lambda: by_aiohttp("GET", headers=SAME),
    "aiohttp, body": lambda: by_aiohttp("POST", data=b"body", headers=SAME),
    "aiohttp, parts": lambda: by_aiohttp("POST", data=parts_async(), headers=SAME),
    "aiohttp, JSON": lambda: by_aiohttp("PUT", json=[1], headers=CLOSE),
    "httplib2": lambda: httplib2.Http().request(URL, headers=dict(SAME))[0].status,
    "httplib2, body": lambda: httplib2.Http().request(URL, "POST", "a", dict(SAME))[0].status,
}
for case, action in CASES.items():
    attempt(case, action)
