"""Requests that are all in flight at once. Arguments: URL, number of requests."""

from __future__ import annotations

import asyncio
import ssl
import sys
import urllib.parse

from report import attempt

URL = urllib.parse.urlsplit(sys.argv[1])
COUNT = int(sys.argv[2])
CONTEXT = ssl.create_default_context() if URL.scheme == "https" else None


async def get() -> str:
    reader, writer = await asyncio.open_connection(URL.hostname, URL.port, ssl=CONTEXT)
    writer.write(f"GET {URL.path} HTTP/1.1\r\nHost: {URL.netloc}\r\n\r\n".encode())
    line = await reader.readline()
    writer.close()
    await writer.wait_closed()
    return line.decode().split(" ")[1]


async def together() -> list[str]:
    return await asyncio.gather(*(get() for _ in range(COUNT)))


attempt("statuses", asyncio.run, together())
