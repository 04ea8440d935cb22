"""``httpcore``, its asynchronous pool. Arguments: see ``columns``."""

from __future__ import annotations

import json

import httpcore
from columns import DOWNLOAD, LONG, PIECES, SHORT, downloaded, seen, show, summary, upload_async

_CHUNKED = [("Transfer-Encoding", "chunked")]


async def get(base: str) -> object:
    async with httpcore.AsyncConnectionPool() as pool:
        response = await pool.request("GET", base + "/get?q=1", headers={"X-Test": "yes"})
    reason = response.extensions["reason_phrase"] or b"OK"
    return [response.status, reason.decode(), seen(json.loads(response.content))]


async def post(base: str) -> object:
    async with httpcore.AsyncConnectionPool() as pool:
        response = await pool.request("POST", base + "/get", content=b"some bytes")
    return [response.status, seen(json.loads(response.content))]


async def reuse(base: str) -> object:
    async with httpcore.AsyncConnectionPool(max_connections=1) as pool:
        numbers = {(await pool.request("GET", base + "/connection")).content for _ in range(5)}
        return [len(numbers), len(pool.connections)]


async def download(base: str) -> object:
    async with (
        httpcore.AsyncConnectionPool() as pool,
        pool.stream("GET", f"{base}/bytes/{DOWNLOAD}") as response,
    ):
        return downloaded([piece async for piece in response.aiter_stream()])


async def upload(base: str) -> object:
    async with httpcore.AsyncConnectionPool() as pool:
        url = base + "/echo"
        chunked = await pool.request("POST", url, headers=_CHUNKED, content=upload_async())
        sized = [("Content-Length", str(sum(PIECES)))]
        whole = await pool.request("POST", url, headers=sized, content=upload_async())
    return [chunked.status, *summary(chunked.content), *summary(whole.content)]


async def plain(base: str) -> object:
    async with httpcore.AsyncConnectionPool() as pool:
        return (await pool.request("GET", base + "/get")).status


async def timeout(base: str) -> object:
    limits = {"timeout": {"connect": LONG, "read": SHORT, "write": LONG, "pool": LONG}}
    async with httpcore.AsyncConnectionPool() as pool:
        return (await pool.request("GET", base + "/slow", extensions=limits)).status


show(
    {
        "get": get,
        "post": post,
        "reuse": reuse,
        "download": download,
        "upload": upload,
        "tls": plain,
        "untrusted": plain,
        "timeout": timeout,
        "denied": plain,
    }
)
