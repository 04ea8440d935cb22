"""A forked session's connections of its parent: they are as if the server had ended them."""

import errno
from typing import NoReturn

from . import control
from .channel import Entry
from .connection import Connection
from .endpoint import TABLE, Address, Endpoint, Hosts
from .lookup import Lookup
from .waiting import HUNG_UP, Deadline


class Severed(Endpoint):
    """The parent's connection."""

    def connect(self, hosts: Hosts, port: int, peer: Address, deadline: Deadline) -> None:
        self._refuse()

    def peer_name(self) -> Address:
        raise OSError(errno.ENOTCONN, _WHY)

    def own_name(self) -> Address:
        raise OSError(errno.ENOTCONN, _WHY)

    def send(self, data: memoryview, deadline: Deadline) -> int:
        self._refuse()

    def receive(self, view: memoryview, deadline: Deadline) -> int:
        self._refuse()

    def push_back(self, data: bytes) -> None:
        """Nobody reads them."""

    def take_error(self) -> int:
        return errno.ECONNRESET

    def shut_down(self, *, reading: bool, writing: bool) -> None:
        """Nothing is left of it."""

    def watch(self, wanted: int) -> tuple[int, list[Entry]]:
        return wanted | HUNG_UP, []

    def close(self) -> None:
        """The parent closes it."""

    def __getattr__(self, name: str) -> NoReturn:
        # What only connections have, such as their TLS.
        if name.startswith("__"):
            raise AttributeError(name)
        self._refuse()

    @staticmethod
    def _refuse() -> NoReturn:
        raise ConnectionResetError(errno.ECONNRESET, _WHY)


_WHY = (
    "sandbox-net: the connection belongs to the session of which this one is a fork; connect again"
)


def sever_all() -> None:
    """Makes all of them so. Pairs of sockets within the program go on."""
    for thing in list(TABLE.things()):
        if type(thing) is Connection:
            references, options = thing.references, thing.options
            family, kind, proto = thing.family, thing.kind, thing.proto
            vars(thing).clear()
            thing.__class__ = Severed  # type: ignore[assignment]
            Endpoint.__init__(thing, family, kind, proto)
            thing.references, thing.options = references, options
        elif isinstance(thing, Lookup):
            thing.end_with(ConnectionResetError(errno.ECONNRESET, _WHY))
    # What waits to be closed is the parent's.
    control.use_transport(None)
