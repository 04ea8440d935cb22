"""``aiohttp``. Arguments: see ``columns``."""

from __future__ import annotations

import asyncio

import aiohttp
from columns import DOWNLOAD, LONG, SHORT, downloaded, seen, show, summary, upload_async


async def get(base: str) -> object:
    async with (
        aiohttp.ClientSession() as session,
        session.get(base + "/get", params={"q": "ä b"}, headers={"X-Test": "yes"}) as response,
    ):
        return [response.status, response.reason or "OK", seen(await response.json())]


async def post(base: str) -> object:
    async with aiohttp.ClientSession(base) as session:
        async with session.post("/get", json={"a": [1, None]}) as response:
            body = await response.json()
        async with session.post("/get", data={"a": "1", "b": "ä"}) as other:
            form = await other.json()
    return [response.status, seen(body), seen(form)]


async def reuse(base: str) -> object:
    numbers = set()
    async with aiohttp.ClientSession(base) as session:
        for _ in range(5):
            async with session.get("/connection") as response:
                numbers.add(await response.text())
    return len(numbers)


async def together(base: str) -> object:
    """Concurrent requests, each with its own answer."""

    async def path(number: int) -> object:
        async with session.get(f"/get?{number}") as response:
            return (await response.json())["path"]

    async with aiohttp.ClientSession(base) as session:
        return await asyncio.gather(*(path(number) for number in range(20)))


async def download(base: str) -> object:
    async with (
        aiohttp.ClientSession() as session,
        session.get(f"{base}/bytes/{DOWNLOAD}") as response,
    ):
        return downloaded([piece async for piece in response.content.iter_chunked(10_000)])


async def lines(base: str) -> object:
    async with (
        aiohttp.ClientSession() as session,
        session.get(base + "/stream/20") as response,
    ):
        return [line.decode() async for line in response.content]


async def upload(base: str) -> object:
    async with (
        aiohttp.ClientSession() as session,
        session.post(base + "/echo", data=upload_async()) as response,
    ):
        return [response.status, *summary(await response.read())]


async def redirects(base: str) -> object:
    found: list[object] = []
    async with aiohttp.ClientSession(base) as session:
        for code in (301, 302, 303, 307, 308):
            async with session.post(f"/redirect/{code}?to=/get?after", data=b"body") as response:
                history = [one.status for one in response.history]
                found.append([history, seen(await response.json())])
        async with session.get("/redirect/302?to=/get", allow_redirects=False) as response:
            found.append([response.status, response.headers["Location"]])
    return found


async def cookies(base: str) -> object:
    jar = aiohttp.CookieJar(unsafe=True)  # for servers without a name
    async with aiohttp.ClientSession(base, cookie_jar=jar) as session:
        await session.get("/set-cookie?a=1;%20Path=/&b=2;%20Path=/get&c=3;%20Path=/other")
        kept = sorted((one.key, one.value, one["path"]) for one in jar)
        async with session.get("/get") as response:
            sent = dict((await response.json())["headers"]).get("cookie", "")
    return [kept, sorted(sent.split("; "))]


async def plain(base: str) -> object:
    limits = aiohttp.ClientTimeout(LONG)
    async with (
        aiohttp.ClientSession(timeout=limits) as session,
        session.get(base + "/get") as response,
    ):
        return response.status


async def timeout(base: str) -> object:
    limits = aiohttp.ClientTimeout(sock_read=SHORT)
    async with (
        aiohttp.ClientSession(timeout=limits) as session,
        session.get(base + "/slow") as response,
    ):
        return response.status


async def timeout_in_total(base: str) -> object:
    limits = aiohttp.ClientTimeout(total=SHORT)
    async with (
        aiohttp.ClientSession(timeout=limits) as session,
        session.get(base + "/slow-body") as response,
    ):
        return await response.text()


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
        "timeout, in total": timeout_in_total,
        "denied": plain,
    }
)
