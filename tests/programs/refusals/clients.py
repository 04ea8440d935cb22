"""The clients of the table of refusals: each makes one request and returns the status.

They import their packages when they begin: not every run has every package.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

BODY = b"x" * 100_000
_TIMEOUT = 60

Client = Callable[[str, str, dict[str, str], str | None], object]
"""Takes a method, a URL, fields, and a proxy's URL or ``None``. A POST has ``BODY``."""


def _body(method: str) -> bytes | None:
    return BODY if method == "POST" else None


def http_client(method: str, url: str, fields: dict[str, str], proxy: str | None) -> object:
    import http.client

    parts = urlsplit(url)
    peer = urlsplit(proxy or url).netloc
    if parts.scheme == "https" and not proxy:
        connection: http.client.HTTPConnection = http.client.HTTPSConnection(peer)
    elif parts.scheme == "https":
        connection = http.client.HTTPSConnection(peer)
        connection.set_tunnel(parts.netloc)
    else:
        connection = http.client.HTTPConnection(peer)
    target = url if proxy and parts.scheme == "http" else parts.path
    connection.request(method, target, body=_body(method), headers=fields)
    return connection.getresponse().status


def urllib_request(method: str, url: str, fields: dict[str, str], proxy: str | None) -> object:
    import urllib.request

    proxies = {"http": proxy, "https": proxy} if proxy else {}
    opener = urllib.request.build_opener(urllib.request.ProxyHandler(proxies))
    request = urllib.request.Request(url, data=_body(method), headers=fields, method=method)
    return opener.open(request, timeout=_TIMEOUT).status


def asyncio_streams(method: str, url: str, fields: dict[str, str], proxy: str | None) -> object:
    async def fetch() -> object:
        parts = urlsplit(url)
        peer = urlsplit(proxy) if proxy else parts
        assert peer.hostname is not None
        reader, writer = await asyncio.open_connection(
            peer.hostname, peer.port, ssl=peer.scheme == "https"
        )
        tunnel = proxy is not None and parts.scheme == "https"
        line = f"CONNECT {parts.netloc}" if tunnel else f"{method} {url if proxy else parts.path}"
        body = _body(method) or b""
        every = {"Host": parts.netloc, "Content-Length": str(len(body)), **fields}
        head = "".join(f"{name}: {value}\r\n" for name, value in every.items())
        writer.write(f"{line} HTTP/1.1\r\n{head}\r\n".encode() + body)
        status = await reader.readuntil(b"\r\n")
        writer.close()
        return int(status.split()[1])

    return asyncio.run(fetch())


def asyncio_drain(method: str, url: str, fields: dict[str, str], proxy: str | None) -> object:
    """The same, by a program that waits until its bytes are sent."""

    async def fetch() -> object:
        parts = urlsplit(url)
        peer = urlsplit(proxy) if proxy else parts
        assert peer.hostname is not None
        reader, writer = await asyncio.open_connection(
            peer.hostname, peer.port, ssl=peer.scheme == "https"
        )
        every = {"Host": parts.netloc, **fields}
        head = "".join(f"{name}: {value}\r\n" for name, value in every.items())
        method_here = "DELETE" if method == "POST" else method
        target = url if proxy else parts.path
        writer.write(f"{method_here} {target} HTTP/1.1\r\n{head}\r\n".encode())
        await writer.drain()
        status = await reader.readuntil(b"\r\n")
        writer.close()
        return int(status.split()[1])

    return asyncio.run(fetch())


def requests(method: str, url: str, fields: dict[str, str], proxy: str | None) -> object:
    import requests

    proxies = {"http": proxy, "https": proxy} if proxy else None
    response = requests.request(
        method, url, data=_body(method), headers=fields, proxies=proxies, timeout=_TIMEOUT
    )
    return response.status_code


def urllib3(method: str, url: str, fields: dict[str, str], proxy: str | None) -> object:
    import urllib3

    pool: Any = urllib3.ProxyManager(proxy) if proxy else urllib3.PoolManager()
    return pool.request(method, url, body=_body(method), headers=fields, timeout=_TIMEOUT).status


def httpx(method: str, url: str, fields: dict[str, str], proxy: str | None) -> object:
    import httpx

    with httpx.Client(proxy=proxy, timeout=_TIMEOUT) as client:
        return client.request(method, url, headers=fields, content=_body(method)).status_code


def httpx_asyncio(method: str, url: str, fields: dict[str, str], proxy: str | None) -> object:
    import httpx

    async def fetch() -> object:
        async with httpx.AsyncClient(proxy=proxy, timeout=_TIMEOUT) as client:
            response = await client.request(method, url, headers=fields, content=_body(method))
            return response.status_code

    return asyncio.run(fetch())


def httpcore(method: str, url: str, fields: dict[str, str], proxy: str | None) -> object:
    import httpcore

    options: Any = {"proxy": httpcore.Proxy(proxy)} if proxy else {}
    with httpcore.ConnectionPool(**options) as pool:
        return pool.request(method, url, headers=fields, content=_body(method)).status


def httpcore_asyncio(method: str, url: str, fields: dict[str, str], proxy: str | None) -> object:
    import httpcore

    async def fetch() -> object:
        options: Any = {"proxy": httpcore.Proxy(proxy)} if proxy else {}
        async with httpcore.AsyncConnectionPool(**options) as pool:
            response = await pool.request(method, url, headers=fields, content=_body(method))
            return response.status

    return asyncio.run(fetch())


def aiohttp(method: str, url: str, fields: dict[str, str], proxy: str | None) -> object:
    import aiohttp

    async def fetch() -> object:
        async with (
            aiohttp.ClientSession() as session,
            session.request(
                method, url, headers=fields, data=_body(method), proxy=proxy
            ) as response,
        ):
            return response.status

    return asyncio.run(fetch())


def botocore(method: str, url: str, fields: dict[str, str], proxy: str | None) -> object:
    import botocore.session
    from botocore.config import Config

    parts = urlsplit(url)
    config = Config(
        s3={"addressing_style": "path"},
        retries={"total_max_attempts": 1},
        proxies={"http": proxy, "https": proxy} if proxy else None,
    )
    client = botocore.session.Session().create_client(
        "s3",
        region_name="us-east-1",
        endpoint_url=f"{parts.scheme}://{parts.netloc}",
        aws_access_key_id="AKIDTEST",
        aws_secret_access_key="a secret of the tests",
        config=config,
    )

    def add_fields(request: Any, **_: object) -> None:
        for name, value in fields.items():
            request.headers[name] = value

    client.meta.events.register("before-sign.s3", add_fields)
    target: dict[str, Any] = {"Bucket": parts.path.strip("/"), "Key": "key"}
    if method == "POST":
        answer = client.put_object(Body=BODY, **target)
    else:
        answer = client.get_object(**target)
    return answer["ResponseMetadata"]["HTTPStatusCode"]


def openai(method: str, url: str, fields: dict[str, str], proxy: str | None) -> object:
    import httpx
    import openai

    client = openai.OpenAI(
        api_key="key",
        base_url=url,
        max_retries=0,
        default_headers=fields,
        http_client=httpx.Client(proxy=proxy, timeout=_TIMEOUT),
    )
    return _ask_openai(client, method) and 200


def openai_asyncio(method: str, url: str, fields: dict[str, str], proxy: str | None) -> object:
    import httpx
    import openai

    async def fetch() -> object:
        client = openai.AsyncOpenAI(
            api_key="key",
            base_url=url,
            max_retries=0,
            default_headers=fields,
            http_client=httpx.AsyncClient(proxy=proxy, timeout=_TIMEOUT),
        )
        return await _ask_openai(client, method) and 200

    return asyncio.run(fetch())


def _ask_openai(client: Any, method: str) -> Any:
    if method == "POST":
        messages = [{"role": "user", "content": "x"}]
        return client.chat.completions.create(model="m", messages=messages)
    return client.models.list()


def websocket_client(_method: str, url: str, fields: dict[str, str], proxy: str | None) -> object:
    import websocket

    options: Any = {"header": fields, "timeout": _TIMEOUT}
    if proxy:
        parts = urlsplit(proxy)
        options |= {"http_proxy_host": parts.hostname, "http_proxy_port": parts.port}
        options |= {"proxy_type": "http"}
    return websocket.create_connection(url.replace("http", "ws", 1), **options).connected


def websockets_asyncio(_method: str, url: str, fields: dict[str, str], proxy: str | None) -> object:
    import websockets.asyncio.client

    async def connect() -> object:
        client = websockets.asyncio.client.connect(
            url.replace("http", "ws", 1), additional_headers=fields, proxy=proxy
        )
        async with client as connection:
            return str(connection.state)

    return asyncio.run(connect())


def websockets_sync(_method: str, url: str, fields: dict[str, str], proxy: str | None) -> object:
    import websockets.sync.client

    client = websockets.sync.client.connect(
        url.replace("http", "ws", 1), additional_headers=fields, proxy=proxy
    )
    with client as connection:
        return str(connection.state)
