"""Checks arguments of socket methods as CPython does."""

import math
import operator
from typing import Final

from . import constants
from .endpoint import Address, Hosts
from .names import target_of

_MAX_TIMEOUT: Final = (1 << 63) / 1e9
_MAX_FLOW: Final = 0xFFFFF


def parse_timeout(value: float | None) -> float | None:
    """Returns a timeout as `settimeout` takes it."""
    if value is None:
        return None
    seconds = value if isinstance(value, float) else float(operator.index(value))
    if math.isnan(seconds):
        raise ValueError("Invalid value NaN (not a number)")
    if seconds >= _MAX_TIMEOUT:
        raise OverflowError("timestamp too large to convert to C PyTime_t")
    if seconds < 0:
        raise ValueError("Timeout value out of range")
    return seconds


def connect_target(family: int, address: object, call: str) -> tuple[Hosts, int, Address]:
    """Returns what to connect to, likeliest first, the port, and the address in this family."""
    v6 = family == constants.AF_INET6
    if not isinstance(address, tuple):
        name, kind = "AF_INET6" if v6 else "AF_INET", type(address).__name__
        raise TypeError(f"{call}(): {name} address must be tuple, not {kind}")
    if v6 and not 2 <= len(address) <= 4:
        raise TypeError("AF_INET6 address must be a tuple (host, port[, flowinfo[, scopeid]])")
    if not v6 and len(address) != 2:
        raise TypeError("AF_INET address must be a pair (host, port)")
    host, port, *more = address
    port = operator.index(port)
    flow, scope = ([operator.index(number) for number in more] + [0, 0])[:2]
    target = target_of(host, family, port)
    if not 0 <= port <= 0xFFFF:
        raise OverflowError(f"{call}(): port must be 0-65535.")
    if not 0 <= flow <= _MAX_FLOW:
        raise OverflowError(f"{call}(): flowinfo must be 0-1048575.")
    literal = target.addresses[0]
    return target.hosts, port, (literal, port, flow, scope) if v6 else (literal, port)
