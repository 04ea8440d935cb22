"""Finds out which of the names at one address a program means, from its first bytes."""

import errno
import struct
from collections.abc import Iterable
from typing import Final

from . import channel as ch
from .addresses import parse_literal
from .answers import ANSWERS, is_loopback, plain_name
from .channel import Channel, ChannelError
from .endpoint import Address, Hosts
from .errors import exception_for, is_of_one_host, os_error
from .tls_request import VERIFICATION, VERIFIED

_LENGTH: Final = struct.Struct("<H")


def connect_to_first(channel: Channel, hosts: Hosts, port: int, timeout: int) -> tuple[int, str]:
    """Connects to the first of `hosts` that the host accepts; returns the id, and which it is.

    Raises:
        OSError: the error for the likeliest one.
    """
    failure: OSError | None = None
    for host in hosts:
        payload = struct.pack("<Q", timeout) + host.encode("utf-8")
        try:
            return channel.call(ch.CONNECT, 0, port, payload).value, host
        except ChannelError as error:
            failure = failure or exception_for(error, host)
            if not is_of_one_host(error):
                break
    try:
        raise failure or os_error(errno.EINVAL) from None
    finally:
        del failure  # its frame would keep itself


def tls_target(settings: int, payload: bytes, host: str, peer: Address | None) -> tuple[bytes, str]:
    """Returns the payload of a `start-tls` frame to send, and the server name that it means.

    TLS sends no addresses (RFC 6066 section 3). If nobody checks the name, the peer's own address
    says nothing about it: some programs pin an address and check the certificate themselves."""
    (size,) = _LENGTH.unpack_from(payload)
    end = _LENGTH.size + size
    name = payload[_LENGTH.size : end].decode("utf-8", "replace")
    is_address = isinstance(peer, tuple) and name == peer[0] != host and not is_loopback(name)
    if is_address and settings & VERIFICATION != VERIFIED:
        return _LENGTH.pack(0) + payload[end:], ""
    return payload, name


def host_field(fields: Iterable[tuple[bytes, bytes]], port: int) -> str:
    """Returns the host in a request's only `Host`, unless that has another port; else nothing."""
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
    """Returns the host to connect to instead of `host`, if `meant` is another one at this address.

    It is a name that this program looked up and that has the address, or the address itself."""
    literal = parse_literal(meant)
    meant = plain_name(meant) if literal is None else literal[1]
    if not meant or meant == plain_name(host) or not isinstance(peer, tuple):
        return None
    return meant if ANSWERS.is_at(meant, peer[0]) else None
