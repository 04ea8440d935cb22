"""What the programs of this folder share: their servers, and a case for each column of the table.

Arguments: name=URL for each server. ``http``, ``https`` and ``http2`` are the same server in three
ways, ``named`` and ``named2`` the latter two by name. ``untrusted`` has a certificate of an unknown
authority, and no rule allows ``denied``.
"""

from __future__ import annotations

import asyncio
import hashlib
import inspect
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator

from report import attempt, pattern

SERVERS = dict(argument.split("=", 1) for argument in sys.argv[1:])

# The servers for each column; the other columns use the first three.
_OTHERS = {
    "tls": ("named", "named2"),
    "untrusted": ("untrusted",),
    "denied": ("denied",),
}
_THREE_WAYS = ("http", "https", "http2")

# A timeout that must pass, one that must not, and one that must pass although something else that
# it also bounds must not take that long.
SHORT, LONG, LATER = 0.3, 60.0, 1.5
PIECES = (1, 70_000, 5)
DOWNLOAD = 300_000


def show(columns: dict[str, Callable[[str], object]]) -> None:
    """Print the cases of a library: each of its columns with each server of that column."""
    for column, action in columns.items():
        for server in _OTHERS.get(column.partition(",")[0], _THREE_WAYS):
            attempt(f"{column} / {server}", _outcome, action, SERVERS[server])


def _outcome(action: Callable[[str], object], url: str) -> object:
    result = action(url)
    return asyncio.run(_awaited(result)) if inspect.isawaitable(result) else result


async def _awaited(result: Awaitable[object]) -> object:
    return await result


def summary(body: bytes) -> list[object]:
    """Describe a body by its length and digest."""
    return [len(body), hashlib.sha256(body).hexdigest()]


def downloaded(pieces: list[bytes]) -> object:
    """Describe a download: its contents, and whether it arrived in pieces."""
    return [*summary(b"".join(pieces)), len(pieces) > 1]


def upload() -> Iterator[bytes]:
    """A body from a generator."""
    for length in PIECES:
        yield pattern(length)


async def upload_async() -> AsyncIterator[bytes]:
    """The same from an asynchronous generator."""
    for piece in upload():
        await asyncio.sleep(0)
        yield piece


def seen(description: dict[str, object]) -> object:
    """The parts of the request in a server's answer that are the same for every client."""
    fields = description["headers"]
    assert isinstance(fields, list)
    shown = [[name, value] for name, value in fields if name in ("x-test", "content-type")]
    return [description["method"], description["path"], description["length"], shown]
