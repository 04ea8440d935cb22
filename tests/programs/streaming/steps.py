"""What the programs of this folder share: the servers, and steps on separate connections.

Arguments: name=URL of the same server in three ways. Each stream has a name; a step is a request
about it, sent with `urllib`, which buffers nothing and is not tested here.
"""

from __future__ import annotations

import sys
import urllib.request
from collections.abc import AsyncIterator, Callable, Iterator

from report import attempt, pattern

SERVERS = dict(argument.split("=", 1) for argument in sys.argv[1:])

EVENTS = 10
PIECES = 5
PIECE = pattern(1000)
# If a generator yields this much, nobody holds it back.
ENDLESS = 512 << 20
# What the buffers on the way may hold: the system's own are some MiB.
MOST = 16 << 20
BLOCK = pattern(65_536)
# A client gives up after this long without progress.
PATIENCE = 1.0
LONG = 60.0


def show(cases: dict[str, Callable[[str, str], object]]) -> None:
    """Print each case with each server; a case gets a base URL and a stream's name."""
    for case, action in cases.items():
        for server, base in SERVERS.items():
            name = f"{case} / {server}"
            attempt(name, action, base, name.replace(" / ", "-").replace(" ", "-"))


def step(base: str, path: str, stream: str) -> str:
    """Send a request about a stream; return the answer."""
    with urllib.request.urlopen(f"{base}/{path}?{stream}", timeout=LONG) as response:
        text: str = response.read().decode()
        return text


def acknowledge(base: str, stream: str) -> None:
    """Release the next event."""
    step(base, "acknowledge", stream)


class Upload:
    """A body from a generator that counts its output."""

    def __init__(self, base: str, stream: str) -> None:
        self.given = 0
        self._base = base
        self._stream = stream

    def paced(self) -> Iterator[bytes]:
        """Pieces, each one after the previous one has arrived at the server."""
        for number in range(PIECES):
            yield PIECE
            step(self._base, f"arrived/{len(PIECE) * (number + 1)}", self._stream)

    async def paced_async(self) -> AsyncIterator[bytes]:
        """The same for asyncio; the steps are on the client's own loop."""
        for piece in self.paced():
            yield piece

    def endless(self) -> Iterator[bytes]:
        """More than any buffer holds."""
        while self.given < ENDLESS:
            self.given += len(BLOCK)
            yield BLOCK

    async def endless_async(self) -> AsyncIterator[bytes]:
        """The same for asyncio."""
        for piece in self.endless():
            yield piece

    @property
    def held(self) -> bool:
        """Whether it stopped long before its end."""
        return self.given < MOST


def wait_for_cut(base: str, stream: str) -> str:
    """Wait until the server has noticed that nobody reads a stream any more."""
    return step(base, "cut", stream)


def held(base: str, stream: str) -> object:
    """Whether the server stopped long before the end of its output."""
    given, _ = step(base, "settled", stream).split()
    return int(given) < MOST
