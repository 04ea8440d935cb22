"""Addresses that stand for names.

Programs resolve a name first and then connect to an address. Here the host resolves, and decides
by the name. It does not disclose the addresses of every name (`lookup`). For the others each name
gets an address of its own, from a range that no network uses, and `connect` turns that address
back into the name:

- IPv4: 240.0.0.0/8, of the reserved class E (RFC 1112 section 4);
- IPv6: the same 32 bits under fd53:4e45:5400::/96, of the unique local range (RFC 4193).

An address literal stands for itself.
"""

import re
from collections import OrderedDict
from typing import Final

from . import constants
from .errors import gai_error
from .inet import inet_ntop, inet_pton
from .stock import SOCKET

_MAX_NAMES: Final = 65_536
_V4_FIRST: Final = 0xF000_0001
_V4_LAST: Final = 0xF0FF_FFFE
_V6_PREFIX: Final = bytes.fromhex("fd534e4554000000") + bytes(4)

_NAME: Final = re.compile(r"(?:[A-Za-z0-9_-]{1,63}\.)*[A-Za-z0-9_-]{1,63}\.?")
_MAX_NAME: Final = 253
# `inet_aton` also reads fewer than four numbers, and octal and hexadecimal ones.
_NUMERIC: Final = re.compile(r"(?:0[xX][0-9a-fA-F]+|[0-9]+)(?:\.(?:0[xX][0-9a-fA-F]+|[0-9]+)){0,3}")


class NameTable:
    """Maps addresses to the names that they stand for. Bounded: the least used goes first."""

    def __init__(self, size: int = _MAX_NAMES) -> None:
        self._size = size
        self.forget()

    def forget(self) -> None:
        """Begins anew, without a name."""
        self._next = _V4_FIRST
        self._numbers: OrderedDict[str, int] = OrderedDict()
        self._names: dict[int, str] = {}

    def number(self, name: str) -> int:
        """Returns the 32 bits that stand for `name`."""
        name = name.lower()
        number = self._numbers.get(name)
        if number is None:
            if len(self._numbers) >= self._size:
                _, oldest = self._numbers.popitem(last=False)
                del self._names[oldest]
            number = self._next
            self._next = number + 1 if number < _V4_LAST else _V4_FIRST
            self._numbers[name] = number
            self._names[number] = name
        self._numbers.move_to_end(name)
        return number

    def name(self, number: int) -> str | None:
        """Returns the name that `number` stands for."""
        return self._names.get(number)


TABLE: Final = NameTable()


def address_of(name: str, family: int) -> str:
    """Returns the address that stands for `name`."""
    packed = TABLE.number(name).to_bytes(4, "big")
    if family == constants.AF_INET6:
        return inet_ntop(constants.AF_INET6, _V6_PREFIX + packed)
    return str(SOCKET.inet_ntoa(packed))


def name_of(address: str) -> str | None:
    """Returns the name that the literal `address` stands for; `None` if it stands for itself."""
    if ":" in address:
        packed = inet_pton(constants.AF_INET6, address)
        if not packed.startswith(_V6_PREFIX):
            return None
        packed = packed[len(_V6_PREFIX) :]
    else:
        packed = SOCKET.inet_aton(address)
    return TABLE.name(int.from_bytes(packed, "big"))


def parse_literal(text: str) -> tuple[int, str, int] | None:
    """Returns family, address and scope id of an address literal; `None` for anything else."""
    if _NUMERIC.fullmatch(text):
        try:
            return constants.AF_INET, SOCKET.inet_ntoa(SOCKET.inet_aton(text)), 0
        except OSError:
            return None
    address, percent, zone = text.partition("%")
    if ":" not in address or (percent and not zone.isdecimal()):
        return None
    try:
        packed = inet_pton(constants.AF_INET6, address)
    except OSError:
        return None
    return constants.AF_INET6, inet_ntop(constants.AF_INET6, packed), int(zone or 0)


def require_name(text: str) -> str:
    """Returns `text` if it can be the name of a host.

    Raises:
        gaierror: it cannot (RFC 1035 section 2.3.4).
    """
    if len(text.removesuffix(".")) > _MAX_NAME or _NAME.fullmatch(text) is None:
        raise gai_error("EAI_NONAME", "Name or service not known")
    return text
