"""Shows refusals that asyncio, and code built on it, would hide.

A transport does not raise the error of a write: it reports it to its protocol, as
`connection_lost(error)`. Protocols turn that into other exceptions, some without the error. Here
those get the error as their context, so that the traceback shows it.
"""

import asyncio
from asyncio.selector_events import _SelectorTransport  # type: ignore[attr-defined]
from asyncio.sslproto import SSLProtocol
from typing import Any

from .errors import is_refusal

_stock_call: Any = _SelectorTransport._call_connection_lost
_stock_tls_lost: Any = SSLProtocol.connection_lost
_stock_drain = asyncio.StreamWriter.drain


def adapt() -> None:
    """Makes transports and streams show refusals."""
    _SelectorTransport._call_connection_lost = call_connection_lost
    SSLProtocol.connection_lost = tls_connection_lost  # type: ignore[method-assign,assignment]
    asyncio.StreamWriter.drain = drain  # type: ignore[method-assign]


def call_connection_lost(self: Any, error: BaseException | None) -> None:
    """As CPython's, while a refusal is being handled."""
    _while_handling(error, _stock_call, self, error)


def tls_connection_lost(self: Any, error: BaseException | None) -> None:
    """As CPython's; the protocol above it, which is called later, gets the same error."""
    above = self._app_protocol
    if is_refusal(error) and above is not None:
        self._app_protocol = _Above(above)
    _stock_tls_lost(self, error)


class _Above:
    """A protocol above TLS that loses its connection because of a refusal."""

    def __init__(self, protocol: Any) -> None:
        self._protocol = protocol

    def connection_lost(self, error: BaseException | None) -> None:
        _while_handling(error, self._protocol.connection_lost, error)


def _while_handling(error: BaseException | None, call: Any, *args: object) -> None:
    if error is None or not is_refusal(error):
        call(*args)
        return
    try:
        raise error
    except OSError:
        call(*args)


async def drain(self: asyncio.StreamWriter) -> None:
    """As CPython's, with the refusal instead of only the lost connection."""
    try:
        await _stock_drain(self)
    except ConnectionResetError:
        reader: asyncio.StreamReader | None = self._reader  # type: ignore[attr-defined]
        error = reader.exception() if reader is not None else None
        if error is None or not is_refusal(error):
            raise
        raise error from None
