"""The address that a socket seems to have, because the host's own side is not disclosed."""

from typing import Final

from . import constants
from .endpoint import Address

_FIRST_EPHEMERAL: Final = 49152

_next_port = _FIRST_EPHEMERAL


def own_port() -> int:
    """Returns the next port that a socket may seem to have."""
    global _next_port
    port = _next_port
    _next_port = port + 1 if port < 0xFFFF else _FIRST_EPHEMERAL
    return port


def begin_with(port: int) -> None:
    """Lets the next socket seem to have this port."""
    global _next_port
    _next_port = port


def own_name(family: int, own_host: str, port: int, connected: bool) -> Address:
    """Returns the address of a socket of this family, bound to `own_host` if that is not empty."""
    v6 = family == constants.AF_INET6
    any_host, loopback = ("::", "::1") if v6 else ("0.0.0.0", "127.0.0.1")
    host = own_host or any_host
    if connected and host == any_host:
        host = loopback
    return (host, port, 0, 0) if v6 else (host, port)
