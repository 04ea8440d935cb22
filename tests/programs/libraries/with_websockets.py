"""WebSocket clients, whose upgrade is refused. Arguments: see ``columns``.

The synchronous client of ``websockets`` is missing: it begins with a thread.
"""

from __future__ import annotations

import asyncio
import sys

import websocket
import websockets.asyncio.client
from report import attempt


def with_websocket_client(url: str) -> object:
    return websocket.create_connection(url, timeout=30).connected


def with_websockets(url: str) -> object:
    async def connect() -> object:
        client = websockets.asyncio.client.connect(url, open_timeout=30, proxy=None)
        async with client as connection:
            return str(connection.state)

    return asyncio.run(connect())


for argument in sys.argv[1:]:
    name, _, base = argument.partition("=")
    url = base.replace("http", "ws", 1) + "/get"
    attempt(f"websocket-client / {name}", with_websocket_client, url)
    attempt(f"websockets / {name}", with_websockets, url)
