"""Knows which sockets are routed, and what ended their connections.

A route belongs to what the descriptor stands for, by its inode, and not to a Python object:
`ssl` and `socket.dup` make other objects of the same connection.
"""

import _socket
import os

from . import wire
from .errors import again, exception_for, is_told_once
from .literals import AF_INET6, plain_address
from .names import put

MYPY = False  # no program pays for `typing`
if MYPY:
    from typing import Any

_MAX_ROUTES = 65536
_FIRST_EPHEMERAL = 49152

_routes = {}  # type: dict[int, Route]


class Route:
    """One connection through the broker."""

    __slots__ = ("connection", "failure", "host", "is_other", "options", "own", "peer")

    def __init__(
        self, connection: "str", host: "str", peer: "tuple[Any, ...]", is_other: "bool"
    ) -> "None":
        self.connection = connection
        self.host = host
        self.peer = peer
        self.is_other = is_other
        # Raised again by every later call.
        self.failure = None  # type: OSError | None
        # What a socket of another family stands in for: options, and an own address.
        self.options = {}  # type: dict[tuple[int, int], object]
        self.own = _own_address(peer) if is_other else None

    def failed(self) -> "OSError | None":
        """Asks the broker what ended the connection; nothing if it was no failure."""
        if self.failure is not None:
            return again(self.failure)
        if not self.connection:
            return None
        error = wire.error_of(self.connection)
        if error is None:
            return None
        failure = exception_for(error, self.host)
        if not is_told_once(failure) and isinstance(failure, OSError):
            self.failure = again(failure)
        return failure


def _own_address(peer: "tuple[Any, ...]") -> "tuple[Any, ...]":
    port = _FIRST_EPHEMERAL + len(_routes) % (0xFFFF - _FIRST_EPHEMERAL)
    return ("127.0.0.1", port) if len(peer) == 2 else ("::1", port, 0, 0)


def add(sock: "_socket.socket", route: "Route") -> "None":
    """Notes that a socket is routed."""
    put(_routes, os.fstat(sock.fileno()).st_ino, route, _MAX_ROUTES)


def find(sock: "_socket.socket") -> "Route | None":
    """Returns the route of a socket; `None` if it has none."""
    if not _routes:
        return None
    try:
        return _routes.get(os.fstat(sock.fileno()).st_ino)
    except (OSError, ValueError):  # it is closed
        return None


def drop(sock: "_socket.socket") -> "None":
    """Forgets a socket that is closed."""
    if not _routes:
        return
    try:
        _routes.pop(os.fstat(sock.fileno()).st_ino, None)
    except (OSError, ValueError):
        return


def peer_address(family: "int", told: "str", given: "tuple[Any, ...]") -> "tuple[Any, ...]":
    """Returns the address of the peer that the broker named, in this family; else the given one."""
    host, _, port = told.rpartition(":")
    host = host.strip("[]")
    if not host or not port.isdigit():
        return given
    is_v6 = ":" in host
    if family != AF_INET6:
        host = plain_address(host) if is_v6 else host
        return given if ":" in host else (host, int(port))
    if not is_v6:
        host = "::ffff:" + host
    return (host, int(port), 0, 0)
