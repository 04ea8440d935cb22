"""`inet_pton` and `inet_ntop`, because a build for WASI may have them for IPv4 only."""

import ipaddress
from typing import Final

from . import constants
from .buffers import Buffer, bytes_view
from .stock import SOCKET

_MAPPED: Final = bytes(10) + b"\xff\xff"


def inet_pton(address_family: int, ip_string: str, /) -> bytes:
    """inet_pton(af, ip) -> packed IP address string

    Convert an IP address from string format to a packed string suitable
    for use with low-level network functions."""
    if address_family != constants.AF_INET6:
        packed: bytes = SOCKET.inet_pton(address_family, ip_string)
        return packed
    if not isinstance(ip_string, str):
        raise TypeError(f"inet_pton() argument 2 must be str, not {type(ip_string).__name__}")
    try:
        if "%" in ip_string:  # a zone is not part of the address
            raise ValueError
        return ipaddress.IPv6Address(ip_string).packed
    except ValueError:
        raise OSError("illegal IP address string passed to inet_pton") from None


def inet_ntop(address_family: int, packed_ip: Buffer, /) -> str:
    """inet_ntop(af, packed_ip) -> string formatted IP address

    Convert a packed IP address of the given family to string format."""
    if address_family != constants.AF_INET6:
        text: str = SOCKET.inet_ntop(address_family, packed_ip)
        return text
    packed = bytes(bytes_view(packed_ip))
    if len(packed) != 16:
        raise ValueError("invalid length of packed IP address string")
    # C libraries write IPv4 inside IPv6 with dots; `ipaddress` does so since Python 3.13.
    if packed.startswith(_MAPPED):
        return f"::ffff:{SOCKET.inet_ntoa(packed[12:])}"
    if packed.startswith(bytes(12)) and any(packed[12:14]):
        return f"::{SOCKET.inet_ntoa(packed[12:])}"
    return str(ipaddress.IPv6Address(packed))
