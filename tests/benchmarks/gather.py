"""Concurrent requests, made by asyncio.gather; prints how many seconds they took.

Arguments: URL, number of requests, client (``asyncio`` or ``aiohttp``).
"""

from __future__ import annotations

import asyncio
import sys
import time
import urllib.parse
from collections.abc import Awaitable, Callable

URL, COUNT, CLIENT = sys.argv[1], int(sys.argv[2]), sys.argv[3]
PARTS = urllib.parse.urlsplit(URL)


async def with_streams() -> bytes:
    """One request with asyncio's own streams."""
    reader, writer = await asyncio.open_connection(PARTS.hostname, PARTS.port)
    head = f"GET {PARTS.path} HTTP/1.1\r\nHost: {PARTS.netloc}\r\nConnection: close\r\n\r\n"
    writer.write(head.encode())
    answer = await reader.read()
    writer.close()
    await writer.wait_closed()
    return answer.split(b"\r\n", 1)[0]


async def together(get: Callable[[], Awaitable[bytes]]) -> None:
    start = time.perf_counter()
    answers = await asyncio.gather(*(get() for _ in range(COUNT)))
    elapsed = time.perf_counter() - start
    if set(answers) != {b"HTTP/1.1 200 OK"}:
        raise SystemExit(f"not every request was answered: {set(answers)}")
    print(elapsed)


async def with_aiohttp() -> None:
    import aiohttp

    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:

        async def get() -> bytes:
            async with session.get(URL) as response:
                await response.read()
                return b"HTTP/1.1 %d OK" % response.status

        await together(get)


asyncio.run(with_aiohttp() if CLIENT == "aiohttp" else together(with_streams))
