"""Replaces what asyncio does in threads, and how it connects."""

import asyncio
import signal
import socket
from asyncio.base_events import BaseEventLoop
from asyncio.selector_events import BaseSelectorEventLoop
from typing import Any

from . import anyio_refusals, names, told_refusals
from .connection import Connection
from .endpoint import TABLE
from .errors import again
from .lookup import Found, Lookup

_stock_sock_connect = BaseSelectorEventLoop.sock_connect


def adapt() -> None:
    """Makes event loops look up names without a thread, and say why they may not connect."""
    BaseEventLoop.getaddrinfo = getaddrinfo  # type: ignore[method-assign]
    BaseEventLoop.getnameinfo = getnameinfo  # type: ignore[method-assign]
    BaseSelectorEventLoop.sock_connect = sock_connect  # type: ignore[method-assign,assignment]
    told_refusals.adapt()
    if not hasattr(signal, "set_wakeup_fd"):  # as on WASI
        loop: Any = asyncio.SelectorEventLoop
        loop.add_signal_handler = loop.remove_signal_handler = refuse_signals


def refuse_signals(*_args: object) -> None:
    """Fails as a loop without signals does, which programs that run on Windows expect."""
    raise NotImplementedError("sandbox-net: there are no signals")


async def sock_connect(self: BaseSelectorEventLoop, sock: socket.socket, address: Any) -> None:
    """As CPython's, with the host's own text if sandbox-net refuses to connect."""
    anyio_refusals.adapt()  # a program that uses it has loaded it by now
    try:
        await _stock_sock_connect(self, sock, address)
    except OSError:
        endpoint = TABLE.find(sock.fileno())
        if isinstance(endpoint, Connection) and endpoint.refusal is not None:
            raise again(endpoint.refusal) from None
        raise


async def getaddrinfo(
    self: asyncio.AbstractEventLoop,
    host: str | bytes | None,
    port: str | bytes | int | None,
    *,
    family: int = 0,
    type: int = 0,
    proto: int = 0,
    flags: int = 0,
) -> list[Any]:
    """As `socket.getaddrinfo`; other tasks run while the host looks up the name."""
    if socket.getaddrinfo is not _getaddrinfo:  # somebody replaced it
        return socket.getaddrinfo(host, port, family, type, proto, flags)
    query = names.Query(host, port, family, type, proto, flags)
    found = await _look_up(self, query.name) if query.name is not None else ()
    return [
        (socket.AddressFamily(info[0]), socket.SocketKind(info[1]), *info[2:])
        for info in query.infos(found)
    ]


_getaddrinfo = socket.getaddrinfo


async def getnameinfo(
    self: asyncio.AbstractEventLoop, sockaddr: Any, flags: int = 0
) -> tuple[str, str]:
    """As `socket.getnameinfo`, which sends no query."""
    return socket.getnameinfo(sockaddr, flags)


async def _look_up(loop: asyncio.AbstractEventLoop, name: str) -> tuple[Found, ...]:
    lookup = Lookup(name)
    if lookup.is_over():
        return lookup.found
    fd = TABLE.add(lookup)
    answered = loop.create_future()
    try:
        loop.add_reader(fd, _finish, lookup, answered)
        try:
            await answered
        finally:
            loop.remove_reader(fd)
    finally:
        TABLE.close(fd)
    return lookup.found


def _finish(lookup: Lookup, answered: "asyncio.Future[None]") -> None:
    if answered.done():
        return
    try:
        if lookup.is_over():
            answered.set_result(None)
    except OSError as error:
        answered.set_exception(error)
