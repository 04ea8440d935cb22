"""Names that share an address: what the bytes behind `connect` say of which one is meant."""

import errno
import struct
from collections.abc import Iterable
from typing import Final

from . import channel as ch
from .addresses import parse_literal
from .answers import ANSWERS, plain_name
from .channel import Channel, ChannelError
from .endpoint import Address, Hosts
from .errors import DENIED, exception_for, os_error

_LENGTH: Final = struct.Struct("<H")


def connect_to_first(channel: Channel, hosts: Hosts, port: int, timeout: int) -> tuple[int, str]:
    """Begins to connect to the first of `hosts` that is not denied: the id, and which one it is.

    Raises:
        OSError: what became of the likeliest one.
    """
    failure: OSError | None = None
    for host in hosts:
        payload = struct.pack("<Q", timeout) + host.encode("utf-8")
        try:
            return channel.call(ch.CONNECT, 0, port, payload).value, host
        except ChannelError as error:
            failure = failure or exception_for(error, host)
            if error.code != DENIED:
                break
    raise failure or os_error(errno.EINVAL) from None


def server_name(payload: bytes) -> str:
    """The server name in the payload of a `start-tls` frame."""
    (size,) = _LENGTH.unpack_from(payload)
    return payload[_LENGTH.size : _LENGTH.size + size].decode("utf-8", "replace")


def host_field(fields: Iterable[tuple[bytes, bytes]], port: int) -> str:
    """The host in the only `Host` of a request, where that says no other port; else nothing."""
    values = [value for name, value in fields if name.lower() == b"host"]
    text = values[0].decode("latin-1").strip(" \t") if len(values) == 1 else ""
    host, colon, digits = text, "", ""
    if text.startswith("["):
        host, bracket, rest = text[1:].partition("]")
        if not bracket or rest[:1] not in ("", ":"):
            return ""
        colon, digits = rest[:1], rest[1:]
    else:
        host, colon, digits = text.partition(":")
    return host if not colon or digits == str(port) else ""


def other_host(meant: str, host: str, peer: Address | None) -> str | None:
    """The host to connect to instead of `host`, where `meant` is another one at this address.

    That is a name that this program asked for and that has the address, or the address itself."""
    literal = parse_literal(meant)
    meant = plain_name(meant) if literal is None else literal[1]
    if not meant or meant == plain_name(host) or not isinstance(peer, tuple):
        return None
    return meant if ANSWERS.is_at(meant, peer[0]) else None
