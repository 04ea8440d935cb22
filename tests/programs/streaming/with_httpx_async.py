"""Streams with ``httpx`` on asyncio. Arguments: see ``steps``."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import httpx
from steps import EVENTS, LONG, PATIENCE, Upload, acknowledge, held, show

Case = Callable[[httpx.AsyncClient, str, str], Awaitable[object]]


def on_a_loop(case: Case) -> Callable[[str, str], object]:
    async def run(base: str, stream: str) -> object:
        async with httpx.AsyncClient(timeout=LONG) as client:
            return await case(client, base, stream)

    return lambda base, stream: asyncio.run(run(base, stream))


async def cut(client: httpx.AsyncClient, base: str, stream: str) -> str:
    """Wait until the server has noticed that nobody reads a stream any more."""
    return (await client.get(f"{base}/cut?{stream}")).text


async def events(client: httpx.AsyncClient, base: str, stream: str) -> object:
    found = []
    async with client.stream("GET", f"{base}/events/{EVENTS}?{stream}") as response:
        async for line in response.aiter_lines():
            if line:
                found.append(line)
                acknowledge(base, stream)
    return found


async def two_at_once(client: httpx.AsyncClient, base: str, stream: str) -> object:
    """The reader of each of two streams acknowledges the other."""

    async def read(own: str, other: str) -> list[str]:
        found = []
        async with client.stream("GET", f"{base}/events/{EVENTS}?{own}") as response:
            async for line in response.aiter_lines():
                if line:
                    found.append(line)
                    await client.get(f"{base}/acknowledge?{other}")
        return found

    one, two = stream + "-1", stream + "-2"
    return await asyncio.gather(read(one, two), read(two, one))


async def upload(client: httpx.AsyncClient, base: str, stream: str) -> object:
    pieces = Upload(base, stream).paced_async()
    return (await client.post(f"{base}/take?{stream}", content=pieces)).text


async def held_upload(client: httpx.AsyncClient, base: str, stream: str) -> object:
    upload = Upload(base, stream)
    url = f"{base}/unread?{stream}"
    try:
        await client.post(url, content=upload.endless_async(), timeout=PATIENCE)
    except httpx.WriteTimeout:
        return upload.held
    return "no timeout"


async def held_download(client: httpx.AsyncClient, base: str, stream: str) -> object:
    async with client.stream("GET", f"{base}/endless?{stream}") as response:
        beginning = await anext(response.aiter_raw(1000))
        stands = held(base, stream)
    return [len(beginning), stands, await cut(client, base, stream)]


async def closed_early(client: httpx.AsyncClient, base: str, stream: str) -> object:
    async with client.stream("GET", f"{base}/events/{EVENTS}?{stream}") as response:
        first = await anext(response.aiter_lines())
    return [first, await cut(client, base, stream)]


async def cancelled(client: httpx.AsyncClient, base: str, stream: str) -> object:
    """A task that waits for an event is cancelled."""
    begun = asyncio.Event()

    async def read() -> None:
        async with client.stream("GET", f"{base}/events/{EVENTS}?{stream}") as response:
            async for _ in response.aiter_lines():
                begun.set()

    task = asyncio.create_task(read())
    await begun.wait()
    task.cancel()
    found = [type(one).__name__ for one in await asyncio.gather(task, return_exceptions=True)]
    return [found, await cut(client, base, stream)]


show(
    {
        "events": on_a_loop(events),
        "two at once": on_a_loop(two_at_once),
        "upload": on_a_loop(upload),
        "held upload": on_a_loop(held_upload),
        "held download": on_a_loop(held_download),
        "closed early": on_a_loop(closed_early),
        "cancelled": on_a_loop(cancelled),
    }
)
