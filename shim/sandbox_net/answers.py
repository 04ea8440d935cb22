"""Remembers which addresses each name has, and which names this program looked up.

The host discloses the public addresses of a name that the policy allows, but decides and dials by
the name. So `connect` turns such an address back into a name: the one whose lookup returned this
very object, else the latest name found at that address. On loopback an address first means itself.
If names share an address, the server name of TLS or the `Host` field may mean another one of them;
then the connection moves to that name (`shared_address`). Nothing here grants anything: the policy
decides on every name.
"""

from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Final

_MAX_ADDRESSES: Final = 4096
_MAX_NAMES: Final = 16
_MAX_PORTS: Final = 64
# How many names are tried one after the other if the policy denies them at the port.
_MAX_TRIED: Final = 4

_MAPPED: Final = "::ffff:"


@dataclass(slots=True)
class _Answer:
    text: str
    """The address. It is an object of its own, so that `connect` recognizes it."""
    ports: set[int] = field(default_factory=set)
    """The ports that the lookup asked for; 0 means all."""

    def is_for(self, port: int) -> bool:
        return 0 in self.ports or port in self.ports


class Answers:
    """Maps addresses to the names found there. It is bounded: the oldest goes first."""

    def __init__(self, addresses: int = _MAX_ADDRESSES, names: int = _MAX_NAMES) -> None:
        self._most_addresses = addresses
        self._most_names = names
        self._known: OrderedDict[str, OrderedDict[str, _Answer]] = OrderedDict()

    def add(self, name: str, address: str, port: int) -> str:
        """Notes that `name`, looked up with `port` or 0, is at `address`; returns that address."""
        name, plain = plain_name(name), _plain_address(address)
        names = self._known.setdefault(plain, OrderedDict())
        self._known.move_to_end(plain)
        answer = names.get(name)
        if answer is None or answer.text != address:
            answer = names[name] = _Answer(address.encode().decode())
        names.move_to_end(name)
        answer.ports.add(port if len(answer.ports) < _MAX_PORTS else 0)
        if len(names) > self._most_names:
            names.popitem(last=False)
        if len(self._known) > self._most_addresses:
            self._known.popitem(last=False)
        return answer.text

    def latest_name(self, address: str) -> str | None:
        """Returns the name that was last found at `address`."""
        names = self._known.get(_plain_address(address))
        return next(reversed(names)) if names else None

    def hosts(self, given: object, address: str, port: int) -> tuple[str, ...]:
        """Returns what `address` and `port` may mean, likeliest first; `given` is the string.

        The very string that a lookup returned means its name alone. Any other loopback address
        means itself, and a name only if the policy does not allow the address."""
        names = self._known.get(_plain_address(address))
        if not names:
            return (address,)
        latest = list(reversed(names))
        for name in latest:
            if names[name].text is given:
                return (name,)
        likely = [name for name in latest if names[name].is_for(port)]
        tried = list(dict.fromkeys([*likely, *latest]))[:_MAX_TRIED]
        return (address, *tried) if is_loopback(address) else (*tried, address)

    def is_at(self, name: str, address: str) -> bool:
        """Whether `name` was found at `address`, or is that address."""
        names = self._known.get(_plain_address(address))
        return name == address or (names is not None and plain_name(name) in names)


ANSWERS: Final = Answers()


def plain_name(name: str) -> str:
    """Returns a name in its canonical spelling."""
    return name.lower().removesuffix(".")


def is_loopback(host: str) -> bool:
    """Whether this is an address, or a name of the machine itself."""
    return host in ("localhost", "::1") or host.startswith("127.")


def _plain_address(address: str) -> str:
    """Returns the IPv4 address inside an IPv6 one: both are the same address."""
    inside = address.removeprefix(_MAPPED)
    return inside if "." in inside and ":" not in inside else address
