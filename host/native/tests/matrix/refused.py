"""One request by each library, for hosts that the policy does not allow, and names that are none.

It is in the syntax of Python 3.6, and a module of `programs.py`.
"""

import asyncio
import http.client
import urllib.parse
import urllib.request


def _by_urllib(url):
    urllib.request.urlopen(url, timeout=30)


def _by_http_client(url):
    parts = urllib.parse.urlsplit(url)
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    kind(parts.hostname, parts.port, timeout=30).request("GET", "/")


def _by_requests(url):
    import requests

    requests.get(url, timeout=30)


def _by_urllib3(url):
    import urllib3

    urllib3.PoolManager().request("GET", url, retries=urllib3.Retry(0))


def _by_httpx(url):
    import httpx

    with httpx.Client(timeout=30) as client:
        client.get(url)


def _by_aiohttp(url):
    import aiohttp

    async def go():
        async with aiohttp.ClientSession() as session, session.get(url) as response:
            await response.text()

    _run(go())


def _by_streams(url):
    parts = urllib.parse.urlsplit(url)
    _run(asyncio.open_connection(parts.hostname, parts.port))


def _run(task):
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    try:
        loop.run_until_complete(asyncio.wait_for(task, 60))
    finally:
        loop.close()


CALLS = {
    "urllib": _by_urllib,
    "http.client": _by_http_client,
    "requests": _by_requests,
    "urllib3": _by_urllib3,
    "httpx": _by_httpx,
    "aiohttp": _by_aiohttp,
    "asyncio": _by_streams,
}
