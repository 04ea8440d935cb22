"""``httpcore``, its synchronous pool. Arguments: see ``columns``."""

from __future__ import annotations

import json

import httpcore
from columns import DOWNLOAD, LONG, PIECES, SHORT, downloaded, seen, show, summary, upload

_CHUNKED = [("Transfer-Encoding", "chunked")]


def get(base: str) -> object:
    with httpcore.ConnectionPool() as pool:
        response = pool.request("GET", base + "/get?q=1", headers={"X-Test": "yes"})
    reason = response.extensions["reason_phrase"] or b"OK"
    return [response.status, reason.decode(), seen(json.loads(response.content))]


def post(base: str) -> object:
    with httpcore.ConnectionPool() as pool:
        response = pool.request("POST", base + "/get", content=b"some bytes")
    return [response.status, seen(json.loads(response.content))]


def reuse(base: str) -> object:
    with httpcore.ConnectionPool(max_connections=1) as pool:
        numbers = {pool.request("GET", base + "/connection").content for _ in range(5)}
        return [len(numbers), len(pool.connections)]


def download(base: str) -> object:
    with (
        httpcore.ConnectionPool() as pool,
        pool.stream("GET", f"{base}/bytes/{DOWNLOAD}") as response,
    ):
        return downloaded(list(response.iter_stream()))


def streaming_upload(base: str) -> object:
    with httpcore.ConnectionPool() as pool:
        chunked = pool.request("POST", base + "/echo", headers=_CHUNKED, content=upload())
        sized = [("Content-Length", str(sum(PIECES)))]
        whole = pool.request("POST", base + "/echo", headers=sized, content=upload())
    return [chunked.status, *summary(chunked.content), *summary(whole.content)]


def plain(base: str) -> object:
    with httpcore.ConnectionPool() as pool:
        return pool.request("GET", base + "/get").status


def timeout(base: str) -> object:
    limits = {"timeout": {"connect": LONG, "read": SHORT, "write": LONG, "pool": LONG}}
    with httpcore.ConnectionPool() as pool:
        return pool.request("GET", base + "/slow", extensions=limits).status


show(
    {
        "get": get,
        "post": post,
        "reuse": reuse,
        "download": download,
        "upload": streaming_upload,
        "tls": plain,
        "untrusted": plain,
        "timeout": timeout,
        "denied": plain,
    }
)
