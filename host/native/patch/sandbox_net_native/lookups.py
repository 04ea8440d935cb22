"""Changes the lookups of the module `socket`: the broker tells what a program may know.

If it tells no address (the name is denied, or one that somebody has to grant first), the name gets
an address that stands for it, and `connect` says why. A name that does not exist fails as in
CPython.
"""

import _socket

from . import loopback, wire
from .errors import lookup_exception_for, no_address, unknown_name
from .literals import (
    AF_INET,
    AF_INET6,
    host_argument,
    is_name,
    is_own_name,
    parse_literal,
)
from .names import NAMES

MYPY = False  # no program pays for `typing`
if MYPY:
    from typing import Any

_stock = {}  # type: dict[str, Any]

_AI_NUMERICHOST = _socket.AI_NUMERICHOST
_AI_CANONNAME = _socket.AI_CANONNAME
_NI_NUMERICHOST = _socket.NI_NUMERICHOST


def change(module: "Any") -> "None":
    """Changes the module `socket`."""
    for function in (getaddrinfo, gethostbyname, gethostbyname_ex, gethostbyaddr, getnameinfo):
        name = function.__name__
        if getattr(module, name) is not function:
            _stock[name] = getattr(module, name)
        setattr(module, name, function)


def look_up(name: "str", port: "int" = 0) -> "list[tuple[int, str]]":
    """Returns the family and address of each that the broker tells; possibly none.

    Raises:
        OSError: the name does not exist, or the broker is away.
    """
    addresses, error = wire.resolve(name)
    # `connect` reports a denial, because there the policy knows the port and can say more.
    if error is not None and error.get("code") != "denied":
        raise lookup_exception_for(error, name)
    found = []
    for text in addresses:
        literal = parse_literal(text)
        if literal is not None:
            found.append((literal[0], NAMES.add(name, literal[1], port)))
    return found


def own_addresses(name: "str", family: "int") -> "list[str]":
    """Returns the addresses of a name of the machine itself, as its table of hosts says."""
    try:
        infos = _socket.getaddrinfo(name, None, family, _socket.SOCK_STREAM)
        return [str(info[4][0]) for info in infos]
    except OSError:
        return ["::1" if family == AF_INET6 else "127.0.0.1"]


def getaddrinfo(
    host: "Any",
    port: "Any",
    family: "int" = 0,
    type: "int" = 0,
    proto: "int" = 0,
    flags: "int" = 0,
) -> "Any":
    """Returns the ways to connect to a host and port: family, type, protocol, name, address."""
    stock = _stock["getaddrinfo"]
    name = _name_to_ask(host, flags)
    if name is None:
        return stock(host, port, family, type, proto, flags)
    if is_own_name(name):
        return _own_infos(name, port, family, type, proto, flags)
    # Checks the other arguments before a query, as the C library does.
    known = "::" if family == AF_INET6 else "0.0.0.0"
    stock(known, port, family, type, proto, flags | _AI_NUMERICHOST)
    found = look_up(name, _plain_port(port))
    chosen = _of_family(name, found, family, flags)
    canonical = name if flags & _AI_CANONNAME else ""
    infos = []
    for address in chosen:
        numeric = flags | _AI_NUMERICHOST
        of_one = stock(address, port, family, type, proto, numeric)
        for info in of_one:
            sockaddr = (_same(address, info[4][0]), *info[4][1:])
            infos.append((*info[:3], canonical, sockaddr))
            canonical = ""
    return infos


def _same(address: "str", told: "str") -> "str":
    """Returns the very string that the table of names knows, where the two are equal."""
    return address if address == told else told


def _plain_port(port: "Any") -> "int":
    return int(port) if str(port).isdigit() else 0


def _name_to_ask(host: "Any", flags: "int") -> "str | None":
    """Returns the name in an argument of `getaddrinfo`; `None` where CPython's needs no query."""
    if isinstance(host, str):
        text = host.encode("idna").decode("ascii")
    elif isinstance(host, bytes):
        text = host.decode("ascii", "replace")
    else:
        return None
    if not text or flags & _AI_NUMERICHOST or parse_literal(text) is not None:
        return None
    if not is_name(text):
        raise unknown_name()
    return text


def _own_infos(
    name: "str", port: "Any", family: "int", type: "int", proto: "int", flags: "int"
) -> "Any":
    stock = _stock["getaddrinfo"]
    try:
        infos = stock(name, port, family, type, proto, flags)
    except _socket.gaierror as error:
        if error.errno not in (_socket.EAI_AGAIN, _socket.EAI_NONAME):
            raise
        # No table of hosts is here.
        numeric = flags | _AI_NUMERICHOST
        own = "::1" if family == AF_INET6 else "127.0.0.1"
        infos = stock(own, port, family, type, proto, numeric)
    if not loopback.is_shared():
        return infos
    # The string tells `connect` which name the policy is to be asked for.
    found = []
    for info in infos:
        told = NAMES.add(name, info[4][0], _plain_port(port))
        found.append((*info[:4], (told, *info[4][1:])))
    return found


def _of_family(
    name: "str", found: "list[tuple[int, str]]", family: "int", flags: "int"
) -> "list[str]":
    if not found:
        return [NAMES.stand_in(name, family or AF_INET)]
    chosen = [address for its, address in found if family in (0, its)]
    mapped = family == AF_INET6 and flags & getattr(_socket, "AI_V4MAPPED", 0)
    if mapped and (flags & getattr(_socket, "AI_ALL", 0) or not chosen):
        chosen += [address for its, address in found if its == AF_INET]
    if not chosen:
        raise no_address()
    return chosen


def _v4_addresses(host: "Any") -> "tuple[str, list[str]]":
    text = host_argument(host)
    literal = parse_literal(text)
    if literal is not None or is_own_name(text) or text in ("", "<broadcast>"):
        return text, []
    if not is_name(text):
        raise unknown_name()
    return text, _of_family(text, look_up(text), AF_INET, 0)


def gethostbyname(*args: "Any") -> "Any":
    """Returns the first IPv4 address of a host, or the one that stands for its name."""
    if len(args) != 1:
        return _stock["gethostbyname"](*args)
    text, addresses = _v4_addresses(args[0])
    if addresses:
        return addresses[0]
    if is_own_name(text):
        return own_addresses(text, AF_INET)[0]
    return _stock["gethostbyname"](*args)


def gethostbyname_ex(*args: "Any") -> "Any":
    """Returns a host by its name: the name, no aliases, its addresses."""
    if len(args) != 1:
        return _stock["gethostbyname_ex"](*args)
    text, addresses = _v4_addresses(args[0])
    if addresses:
        return text, [], addresses
    if is_own_name(text):
        return text, [], own_addresses(text, AF_INET)
    return _stock["gethostbyname_ex"](*args)


def gethostbyaddr(*args: "Any") -> "Any":
    """Returns a host by its address: the name that was looked up, no aliases, its addresses."""
    if len(args) != 1:
        return _stock["gethostbyaddr"](*args)
    text = host_argument(args[0])
    literal = parse_literal(text)
    if literal is None:
        return gethostbyname_ex(args[0])
    name = NAMES.latest_name(literal[1])
    if name is None and (literal[1] == "::1" or literal[1].startswith("127.")):
        name = "localhost"
    if name is None:
        raise _socket.herror(1, "Unknown host")
    return name, [], [literal[1]]


def getnameinfo(*args: "Any") -> "Any":
    """Returns the host and the service of an address, as text; it asks nobody."""
    stock = _stock["getnameinfo"]
    if len(args) != 2 or not isinstance(args[0], tuple) or not isinstance(args[1], int):
        return stock(*args)
    sockaddr, flags = args
    host, service = stock(sockaddr, flags | _NI_NUMERICHOST)
    if flags & _NI_NUMERICHOST:
        return host, service
    literal = parse_literal(host)
    name = NAMES.latest_name(literal[1]) if literal is not None else None
    if name is None and host in ("127.0.0.1", "::1"):
        name = "localhost"
    if name is None and flags & _socket.NI_NAMEREQD:
        raise unknown_name()
    return name or host, service
