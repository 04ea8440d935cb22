"""The addresses that names were found to have, and the names that this program asked for.

The host tells the public addresses of a name that the policy allows, and decides and dials by the
name all the same. So `connect` turns such an address back into a name: the one whose lookup gave
this very address, else the latest one that was found there; on loopback an address means itself
first. Where names share an address, the server name of TLS or the `Host` field may mean another one
of them: the connection goes over to that then (`shared_address`). Nothing here grants anything: the
policy decides on every name.
"""

from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Final

_MAX_ADDRESSES: Final = 4096
_MAX_NAMES: Final = 16
_MAX_PORTS: Final = 64
# How many names are tried one after the other, where the policy denies them at the port.
_MAX_TRIED: Final = 4

_MAPPED: Final = "::ffff:"


@dataclass(slots=True)
class _Answer:
    text: str
    """The address: an object of its own, so that it tells its name where it comes back itself."""
    ports: set[int] = field(default_factory=set)
    """The ports that it was asked with; 0 stands for all."""

    def is_for(self, port: int) -> bool:
        return 0 in self.ports or port in self.ports


class Answers:
    """Which names were found at which address. Bounded: what was found first goes first."""

    def __init__(self, addresses: int = _MAX_ADDRESSES, names: int = _MAX_NAMES) -> None:
        self._most_addresses = addresses
        self._most_names = names
        self._known: OrderedDict[str, OrderedDict[str, _Answer]] = OrderedDict()

    def add(self, name: str, address: str, port: int) -> str:
        """Notes that `name`, asked with `port` or 0, is found at `address`; gives that address."""
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
        """The name that was found at `address` last."""
        names = self._known.get(_plain_address(address))
        return next(reversed(names)) if names else None

    def hosts(self, given: object, address: str, port: int) -> tuple[str, ...]:
        """What `address` and `port` mean, the likeliest first; `given` is how the program says it.

        The very string that a lookup gave means its name alone. Any other loopback address means
        itself, and a name only where the policy does not have the address."""
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
    """A name in the spelling that all its spellings share."""
    return name.lower().removesuffix(".")


def is_loopback(host: str) -> bool:
    """Whether this is an address or the name of the machine itself."""
    return host in ("localhost", "::1") or host.startswith("127.")


def _plain_address(address: str) -> str:
    """IPv4 inside IPv6 is the same address."""
    inside = address.removeprefix(_MAPPED)
    return inside if "." in inside and ":" not in inside else address
