"""HTTP/2, which the host speaks instead of these clients. Arguments: see ``columns``."""

from __future__ import annotations

import asyncio
import sys

import aiohttp
import httpx
import requests
from report import attempt, pattern, pattern_pieces

LARGE = 16 << 20


def sync(base: str) -> object:
    with httpx.Client(http2=True) as client:
        response = client.get(base + "/get")
        return [response.status_code, response.http_version]


def with_asyncio(base: str) -> object:
    async def get() -> object:
        async with httpx.AsyncClient(http2=True) as client:
            response = await client.get(base + "/get")
            return [response.status_code, response.http_version]

    return asyncio.run(get())


def early_by_requests(base: str) -> object:
    response = requests.post(base + "/early", data=pattern_pieces(LARGE))
    return [response.status_code, response.text]


def early_by_httpx(base: str) -> object:
    response = httpx.post(base + "/early", content=pattern_pieces(LARGE))
    return [response.status_code, response.text]


def early_by_aiohttp(base: str) -> object:
    async def post() -> object:
        async with (
            aiohttp.ClientSession() as session,
            session.post(base + "/early", data=pattern(LARGE)) as response,
        ):
            return [response.status, await response.text()]

    return asyncio.run(post())


for argument in sys.argv[1:]:
    name, _, base = argument.partition("=")
    attempt(f"httpx / {name}", sync, base)
    attempt(f"httpx, asyncio / {name}", with_asyncio, base)
    if name == "http2":
        attempt("early answer / requests", early_by_requests, base)
        attempt("early answer / httpx", early_by_httpx, base)
        attempt("early answer / aiohttp", early_by_aiohttp, base)
