"""``httpx`` with HTTP/2, which the host speaks in its place. Arguments: see ``columns``."""

from __future__ import annotations

import asyncio
import sys

import httpx
from report import attempt


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


for argument in sys.argv[1:]:
    name, _, base = argument.partition("=")
    attempt(f"httpx / {name}", sync, base)
    attempt(f"httpx, asyncio / {name}", with_asyncio, base)
