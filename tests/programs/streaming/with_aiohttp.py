"""Streams with ``aiohttp``. Arguments: see ``steps``."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import aiohttp
from steps import EVENTS, LONG, PATIENCE, Upload, acknowledge, held, show

Case = Callable[[aiohttp.ClientSession, str, str], Awaitable[object]]


def on_a_loop(case: Case) -> Callable[[str, str], object]:
    async def run(base: str, stream: str) -> object:
        limits = aiohttp.ClientTimeout(total=LONG)
        async with aiohttp.ClientSession(timeout=limits) as session:
            return await case(session, base, stream)

    return lambda base, stream: asyncio.run(run(base, stream))


async def cut(session: aiohttp.ClientSession, base: str, stream: str) -> object:
    """Wait until the server has noticed that nobody reads a stream any more."""
    async with session.get(f"{base}/cut?{stream}") as response:
        return await response.text()


async def events(session: aiohttp.ClientSession, base: str, stream: str) -> object:
    found = []
    async with session.get(f"{base}/events/{EVENTS}?{stream}") as response:
        async for line in response.content:
            if line.strip():
                found.append(line.decode())
                acknowledge(base, stream)
    return found


async def upload(session: aiohttp.ClientSession, base: str, stream: str) -> object:
    pieces = Upload(base, stream).paced_async()
    async with session.post(f"{base}/take?{stream}", data=pieces) as response:
        return await response.text()


async def held_upload(session: aiohttp.ClientSession, base: str, stream: str) -> object:
    upload = Upload(base, stream)
    limits = aiohttp.ClientTimeout(total=PATIENCE)
    url = f"{base}/unread?{stream}"
    try:
        async with session.post(url, data=upload.endless_async(), timeout=limits):
            return "an answer"
    except TimeoutError:
        return upload.held


async def held_download(session: aiohttp.ClientSession, base: str, stream: str) -> object:
    async with session.get(f"{base}/endless?{stream}") as response:
        beginning = len(await response.content.readexactly(1000))
        stands = held(base, stream)
    return [beginning, stands, await cut(session, base, stream)]


async def closed_early(session: aiohttp.ClientSession, base: str, stream: str) -> object:
    async with session.get(f"{base}/events/{EVENTS}?{stream}") as response:
        first = (await response.content.readline()).decode()
    return [first, await cut(session, base, stream)]


show(
    {
        "events": on_a_loop(events),
        "upload": on_a_loop(upload),
        "held upload": on_a_loop(held_upload),
        "held download": on_a_loop(held_download),
        "closed early": on_a_loop(closed_early),
    }
)
