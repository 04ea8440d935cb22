"""Remembers which names belong to which addresses.

A program looks up a name first and then connects to an address, but the policy decides by the
name. So each address that a lookup told is noted, and `connect` turns it back into the name: the
one whose lookup returned this very string, else the latest name found there. A name for which the
broker tells no address gets one that stands for it, from a range that no network uses:

- IPv4: 240.0.0.0/8, of the reserved class E (RFC 1112 section 4);
- IPv6: the same 32 bits under fd53:4e45:5400::/96, of the unique local range (RFC 4193).

Nothing here grants anything: the policy decides on every name. No locks: each step is one
operation of a dict, so that a fork in another thread leaves nothing locked.
"""

import _socket
import itertools

from .literals import AF_INET, AF_INET6, is_own_address, plain_address, plain_name

MYPY = False  # no program pays for `typing`
if MYPY:
    from typing import Any

_MAX_ADDRESSES = 4096
_MAX_NAMES = 16
_MAX_PORTS = 64
# How many names are tried one after the other if the policy denies them at the port.
_MAX_TRIED = 4
_MAX_STAND_INS = 65536
_V4_FIRST = 0xF0000001
_V4_SIZE = 0xF0FFFFFE - _V4_FIRST + 1
_V6_PREFIX = bytes.fromhex("fd534e4554000000") + bytes(4)


def put(table: "dict[Any, Any]", key: "Any", value: "Any", most: "int") -> "None":
    """Puts an entry last into a dict in order of use, and drops the first ones beyond `most`."""
    table.pop(key, None)
    table[key] = value
    while len(table) > most:
        try:
            table.pop(next(iter(table)), None)
        except (RuntimeError, StopIteration):  # another thread changes it, and drops what is over
            return


class _Answer:
    """A name at an address. `text` is an object of its own, so that `connect` recognizes it."""

    __slots__ = ("ports", "text")

    def __init__(self, text: "str") -> "None":
        self.text = text
        # The ports that the lookups asked for; 0 means all.
        self.ports = set()  # type: set[int]

    def is_for(self, port: "int") -> "bool":
        return 0 in self.ports or port in self.ports


class Names:
    """Maps addresses to names. It is bounded: the oldest goes first."""

    def __init__(self, addresses: "int" = _MAX_ADDRESSES, names: "int" = _MAX_NAMES) -> "None":
        self._most_addresses = addresses
        self._most_names = names
        self._known = {}  # type: dict[str, dict[str, _Answer]]
        self._numbers = {}  # type: dict[str, int]
        self._stand_ins = {}  # type: dict[int, str]
        self._next = itertools.count()

    def add(self, name: "str", address: "str", port: "int") -> "str":
        """Notes that `name`, looked up with `port` or 0, is at `address`; returns that address."""
        name, plain = plain_name(name), plain_address(address)
        names = self._known.get(plain, {})
        answer = names.get(name)
        if answer is None or answer.text != address:
            answer = _Answer(address.encode().decode())
        answer.ports.add(port if len(answer.ports) < _MAX_PORTS else 0)
        put(names, name, answer, self._most_names)
        put(self._known, plain, names, self._most_addresses)
        return answer.text

    def latest_name(self, address: "str") -> "str | None":
        """Returns the name that was last found at `address`, or that it stands for."""
        names = self._known.get(plain_address(address))
        return list(names)[-1] if names else self.stood_for(address)

    def hosts(self, given: "Any", address: "str", port: "int") -> "tuple[str, ...]":
        """Returns what `address` and `port` may mean, likeliest first; `given` is the string.

        Nothing means the machine itself: an address of its own that no lookup has told.
        """
        stood_for = self.stood_for(address)
        if stood_for is not None:
            return (stood_for,)
        names = dict(self._known.get(plain_address(address), ()))
        latest = list(reversed(list(names)))
        for name in latest:
            if names[name].text is given:
                return (name,)
        if is_own_address(address):
            return ()
        likely = [name for name in latest if names[name].is_for(port)]
        tried = likely + [name for name in latest if name not in likely]
        return (*tuple(tried[:_MAX_TRIED]), address)

    def stand_in(self, name: "str", family: "int") -> "str":
        """Returns the address that stands for `name`."""
        name = name.lower()
        number = self._numbers.get(name)
        if number is None:
            number = _V4_FIRST + next(self._next) % _V4_SIZE
        put(self._stand_ins, number, name, _MAX_STAND_INS)
        put(self._numbers, name, number, _MAX_STAND_INS)
        packed = number.to_bytes(4, "big")
        if family == AF_INET6:
            return _socket.inet_ntop(AF_INET6, _V6_PREFIX + packed)
        return _socket.inet_ntoa(packed)

    def stood_for(self, address: "str") -> "str | None":
        """Returns the name that the literal `address` stands for."""
        if ":" in address and plain_address(address) == address:
            packed = _socket.inet_pton(AF_INET6, address)
            if not packed.startswith(_V6_PREFIX):
                return None
            packed = packed[len(_V6_PREFIX) :]
        else:
            packed = _socket.inet_pton(AF_INET, plain_address(address))
        return self._stand_ins.get(int.from_bytes(packed, "big"))


NAMES = Names()
