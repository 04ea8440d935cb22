"""``httpx``, its asynchronous client. Arguments: see ``columns``."""

from __future__ import annotations

import asyncio

import httpx
from columns import DOWNLOAD, LONG, SHORT, downloaded, seen, show, summary, upload_async


async def get(base: str) -> object:
    async with httpx.AsyncClient() as client:
        response = await client.get(base + "/get?q=1", headers={"X-Test": "yes"})
    return [response.status_code, response.reason_phrase, seen(response.json())]


async def post(base: str) -> object:
    async with httpx.AsyncClient() as client:
        response = await client.post(base + "/get", json={"a": [1, None]})
        form = await client.post(base + "/get", data={"a": "1", "b": ["2", "ä"]})
    return [response.status_code, seen(response.json()), seen(form.json())]


async def reuse(base: str) -> object:
    async with httpx.AsyncClient(base_url=base) as client:
        numbers = {(await client.get("/connection")).text for _ in range(5)}
    return len(numbers)


async def together(base: str) -> object:
    """Concurrent requests, each with its own answer."""
    async with httpx.AsyncClient(base_url=base, timeout=LONG) as client:
        answers = await asyncio.gather(*(client.get(f"/get?{number}") for number in range(20)))
    return [answer.json()["path"] for answer in answers]


async def download(base: str) -> object:
    async with (
        httpx.AsyncClient() as client,
        client.stream("GET", f"{base}/bytes/{DOWNLOAD}") as response,
    ):
        return downloaded([piece async for piece in response.aiter_bytes(10_000)])


async def lines(base: str) -> object:
    async with httpx.AsyncClient() as client, client.stream("GET", base + "/stream/20") as response:
        return [line async for line in response.aiter_lines()]


async def upload(base: str) -> object:
    async with httpx.AsyncClient() as client:
        response = await client.post(base + "/echo", content=upload_async())
    return [response.status_code, *summary(response.content)]


async def redirects(base: str) -> object:
    found = []
    async with httpx.AsyncClient(follow_redirects=True) as client:
        for code in (301, 302, 303, 307, 308):
            response = await client.post(f"{base}/redirect/{code}?to=/get?after", content=b"body")
            found.append([[one.status_code for one in response.history], seen(response.json())])
    return found


async def cookies(base: str) -> object:
    async with httpx.AsyncClient() as client:
        await client.get(base + "/set-cookie?a=1;%20Path=/&b=2;%20Path=/get&c=3;%20Path=/other")
        kept = sorted((one.name, one.value, one.path) for one in client.cookies.jar)
        sent = dict((await client.get(base + "/get")).json()["headers"]).get("cookie", "")
    return [kept, sorted(sent.split("; "))]


async def plain(base: str) -> object:
    async with httpx.AsyncClient(timeout=LONG) as client:
        return (await client.get(base + "/get")).status_code


async def timeout(base: str) -> object:
    async with httpx.AsyncClient(timeout=httpx.Timeout(LONG, read=SHORT)) as client:
        return (await client.get(base + "/slow")).status_code


async def timeout_of_asyncio(base: str) -> object:
    async with httpx.AsyncClient(timeout=LONG) as client, asyncio.timeout(SHORT):
        return (await client.get(base + "/slow")).status_code


show(
    {
        "get": get,
        "get, together": together,
        "post": post,
        "reuse": reuse,
        "download": download,
        "download, lines": lines,
        "upload": upload,
        "redirects": redirects,
        "cookies": cookies,
        "tls": plain,
        "untrusted": plain,
        "timeout": timeout,
        "timeout, of asyncio": timeout_of_asyncio,
        "denied": plain,
    }
)
