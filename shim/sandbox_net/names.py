"""The functions of `_socket` that look up names, hosts, services and protocols."""

from collections.abc import Sequence
from typing import Final, NamedTuple

from . import constants
from .addresses import address_of, name_of, parse_literal, require_name
from .answers import ANSWERS, plain_name
from .errors import gai_error
from .lookup import Found, Lookup
from .stock import herror

_AF_INET: Final = constants.AF_INET
_AF_INET6: Final = constants.AF_INET6

_SERVICES: Final = {
    "ftp": 21,
    "ssh": 22,
    "telnet": 23,
    "smtp": 25,
    "domain": 53,
    "http": 80,
    "pop3": 110,
    "ntp": 123,
    "imap2": 143,
    "ldap": 389,
    "https": 443,
    "imaps": 993,
    "pop3s": 995,
    "http-alt": 8080,
}
_PORTS: Final = {port: name for name, port in _SERVICES.items()}
_PROTOCOLS: Final = {"ip": 0, "icmp": 1, "tcp": 6, "udp": 17, "ipv6": 41, "ipv6-icmp": 58}

# As in every machine's own table of hosts (RFC 6761 section 6.3).
_LOOPBACK_NAMES: Final = {"127.0.0.1": "localhost", "::1": "localhost"}

_MAX_FLOW: Final = 0xFFFFF
_KINDS: Final = (
    (constants.SOCK_STREAM, constants.IPPROTO_TCP),
    (constants.SOCK_DGRAM, constants.IPPROTO_UDP),
    (constants.SOCK_RAW, 0),
)

HOST_NAME: Final = "sandbox"
"""Returns the name of this machine. It means loopback."""

SockAddr = tuple[str, int] | tuple[str, int, int, int]
AddrInfo = tuple[int, int, int, str, SockAddr]


def _unknown() -> OSError:
    return gai_error("EAI_NONAME", "Name or service not known")


def _no_address() -> OSError:
    name = "EAI_NODATA" if "EAI_NODATA" in constants.SOCKET else "EAI_NONAME"
    return gai_error(name, "No address associated with hostname")


def _wrong_family() -> OSError:
    name = "EAI_ADDRFAMILY" if "EAI_ADDRFAMILY" in constants.SOCKET else "EAI_NONAME"
    return gai_error(name, "Address family for hostname not supported")


def getaddrinfo(
    host: str | bytes | None,
    port: str | bytes | int | None,
    family: int = 0,
    type: int = 0,
    proto: int = 0,
    flags: int = 0,
) -> list[AddrInfo]:
    """Returns the ways to connect to `host` and `port`: family, type, protocol, name, address."""
    query = Query(host, port, family, type, proto, flags)
    return query.infos(Lookup(query.name).wait() if query.name is not None else ())


class Query:
    """Checks the arguments of `getaddrinfo`.

    Raises:
        gaierror: they are wrong, as far as that is known without a query.
    """

    name: str | None
    """The name to look up; `None` if the result is known."""

    def __init__(
        self,
        host: str | bytes | None,
        port: str | bytes | int | None,
        family: int,
        type: int,
        proto: int,
        flags: int,
    ) -> None:
        text = _host_text(host)
        self._port = _port_number(port, flags)
        if text is None and port is None:
            raise _unknown()
        self._kinds = _kinds(type, proto)
        if family not in (constants.AF_UNSPEC, _AF_INET, _AF_INET6):
            raise gai_error("EAI_FAMILY", "ai_family not supported")
        self._family = family
        self._flags = flags
        self._known = _loopback(family, flags) if text is None else _known(text, family, flags)
        self.name = require_name(text) if text is not None and self._known is None else None
        wants_name = text is not None and flags & constants.SOCKET["AI_CANONNAME"]
        self._canonical = text if text is not None and wants_name else ""

    def infos(self, found: Sequence[Found]) -> list[AddrInfo]:
        """Returns the result, once a lookup of `name` has found these addresses."""
        known = self._known
        if self.name is not None:
            known = _addresses(self.name, found, self._family, self._flags, self._port)
        canonical = self._canonical
        infos: list[AddrInfo] = []
        for family, address, scope in known or ():
            sockaddr: SockAddr = (address, self._port)
            if family == _AF_INET6:
                sockaddr = (address, self._port, 0, scope)
            for kind, proto in self._kinds:
                infos.append((family, kind, proto, canonical, sockaddr))
                canonical = ""
        return infos


def _host_text(host: object) -> str | None:
    if host is None:
        return None
    if isinstance(host, str):
        encoded = host.encode("idna")
    elif isinstance(host, bytes):
        encoded = host
    else:
        raise TypeError("getaddrinfo() argument 1 must be string or None")
    try:
        return encoded.decode("ascii")
    except UnicodeDecodeError:
        raise _unknown() from None


def _port_number(port: object, flags: int) -> int:
    if port is None:
        return 0
    if isinstance(port, bytes):
        port = port.decode("ascii", "replace")
    if isinstance(port, int):
        text = str(int(port))
    elif isinstance(port, str):
        port.encode()  # an encoding error is not an error of the lookup
        text = port
    else:
        raise OSError("Int or String expected")
    if text.isdecimal() and text.isascii():
        return int(text) & 0xFFFF  # as the C libraries do
    if flags & constants.SOCKET["AI_NUMERICSERV"]:
        raise _unknown()
    if text not in _SERVICES:
        raise gai_error("EAI_SERVICE", "Servname not supported for ai_socktype")
    return _SERVICES[text]


def _kinds(kind: int, proto: int) -> list[tuple[int, int]]:
    if kind and kind not in [known for known, _ in _KINDS]:
        raise gai_error("EAI_SOCKTYPE", "ai_socktype not supported")
    kinds = [
        (known, own or proto)
        for known, own in _KINDS
        if kind in (0, known) and (not proto or own == proto or kind == constants.SOCK_RAW)
    ]
    if not kinds:
        raise gai_error("EAI_SERVICE", "Servname not supported for ai_socktype")
    return kinds


def _loopback(family: int, flags: int) -> list[tuple[int, str, int]]:
    passive = flags & constants.SOCKET["AI_PASSIVE"]
    v4 = (_AF_INET, "0.0.0.0" if passive else "127.0.0.1", 0)
    v6 = (_AF_INET6, "::" if passive else "::1", 0)
    return [found for found in (v4, v6) if family in (0, found[0])]


def _known(name: str, family: int, flags: int) -> list[tuple[int, str, int]] | None:
    """Returns the addresses of a host that needs no query; `None` for any other."""
    if name == HOST_NAME:
        return _loopback(family, 0)
    literal = parse_literal(name)
    if literal is not None:
        if family == _AF_INET6 and literal[0] == _AF_INET:
            if not flags & constants.SOCKET.get("AI_V4MAPPED", 0):
                raise _wrong_family()
            return [(_AF_INET6, f"::ffff:{literal[1]}", 0)]
        if family not in (0, literal[0]):
            raise _wrong_family()
        return [literal]
    if flags & constants.SOCKET["AI_NUMERICHOST"]:
        raise _unknown()
    return None


def _addresses(
    name: str, found: Sequence[Found], family: int, flags: int, port: int
) -> list[tuple[int, str, int]]:
    """Returns the addresses of a name; if the host disclosed none, one that stands for the name.

    Raises:
        gaierror: there are none of this family.
    """
    if not found:
        family = family or _AF_INET
        return [(family, address_of(name, family), 0)]
    if not family and plain_name(name) == "localhost":
        family = _AF_INET  # the host dials both, whichever it is
    chosen = [one for one in found if family in (0, one[0])]
    everything = flags & constants.SOCKET.get("AI_ALL", 0)
    is_mapped = family == _AF_INET6 and flags & constants.SOCKET.get("AI_V4MAPPED", 0)
    if is_mapped and (everything or not chosen):
        v4 = [address for its, address in found if its == _AF_INET]
        chosen += [(_AF_INET6, f"::ffff:{address}") for address in v4]
    if not chosen:
        raise _no_address()
    return [(its, ANSWERS.add(name, address, port), 0) for its, address in chosen]


def host_argument(host: object) -> str:
    """Reads a host as the C functions do: text goes through IDNA, bytes are taken as they are."""
    if isinstance(host, str):
        try:
            encoded = host.encode("ascii") if host.isascii() else host.encode("idna")
        except UnicodeError:
            raise TypeError("encoding of hostname failed") from None
    elif isinstance(host, (bytes, bytearray)):
        encoded = bytes(host)
    else:
        kind = type(host).__name__
        raise TypeError(f"str, bytes or bytearray expected, not {kind}")
    if b"\0" in encoded:
        raise TypeError("host name must not contain null character")
    return encoded.decode("ascii", "surrogateescape")


class Target(NamedTuple):
    """What an address, or the host in one, means."""

    hosts: tuple[str, ...]
    """What the host should connect to, likeliest first."""
    addresses: tuple[str, ...]
    """What the program sees: at least one address."""


def target_of(host: object, family: int, port: int = 0) -> Target:
    """Returns what to connect to for `host` and `port`.

    Raises:
        gaierror: there is no such host in this family.
    """
    text = host_argument(host)
    if not text:
        text = "::" if family == _AF_INET6 else "0.0.0.0"
    elif text == "<broadcast>" and family == _AF_INET:
        text = "255.255.255.255"
    elif text == HOST_NAME:
        text = "::1" if family == _AF_INET6 else "127.0.0.1"
    literal = parse_literal(text)
    if literal is None:
        name = require_name(text)
        found = _addresses(name, Lookup(name).wait(), family, 0, port)
        return Target((name,), tuple(address for _, address, _ in found))
    if literal[0] != family:
        raise _wrong_family()
    address = literal[1]
    stands_for = name_of(address)
    hosts = ANSWERS.hosts(host, address, port) if stands_for is None else (stands_for,)
    return Target(hosts, (address,))


def _name(address: str) -> str | None:
    """Returns the name of an address, as far as a machine knows it without a query."""
    return name_of(address) or ANSWERS.latest_name(address) or _LOOPBACK_NAMES.get(address)


def gethostbyname(hostname: str, /) -> str:
    """Returns the first IPv4 address of a host, or the one that stands for its name."""
    return target_of(hostname, _AF_INET).addresses[0]


def gethostbyname_ex(hostname: str, /) -> tuple[str, list[str], list[str]]:
    """Returns a host by its name: the name, no aliases, its addresses."""
    target = target_of(hostname, _AF_INET)
    text = host_argument(hostname)
    is_itself = hostname == HOST_NAME or parse_literal(text) is None
    name = text if is_itself else name_of(target.addresses[0]) or target.addresses[0]
    return name, [], list(target.addresses)


def gethostbyaddr(host: str, /) -> tuple[str, list[str], list[str]]:
    """Returns a host by its address: the name that was looked up, no aliases, its addresses."""
    text = host_argument(host)
    literal = parse_literal(text)
    family = literal[0] if literal is not None else _AF_INET
    target = target_of(host, family)
    is_itself = host == HOST_NAME or literal is None
    name = text if is_itself else _name(target.addresses[0])
    if name is None:
        raise herror(1, "Unknown host")
    return name, [], list(target.addresses)


def getnameinfo(sockaddr: SockAddr, flags: int, /) -> tuple[str, str]:
    """Returns the host and the service of an address, as text."""
    if not isinstance(sockaddr, tuple):
        raise TypeError("getnameinfo() argument 1 must be a tuple")
    if len(sockaddr) < 2:
        raise TypeError("getnameinfo(): illegal sockaddr argument")
    numbers = constants.SOCKET
    literal = parse_literal(sockaddr[0])
    if literal is None:
        raise _unknown()
    if literal[0] == _AF_INET and len(sockaddr) != 2:
        raise OSError("IPv4 sockaddr must be 2 tuple")
    if len(sockaddr) > 2 and not 0 <= sockaddr[2] <= _MAX_FLOW:
        raise OverflowError(f"getnameinfo(): flowinfo must be 0-{_MAX_FLOW}.")
    name = None if flags & numbers["NI_NUMERICHOST"] else _name(literal[1])
    if name is None and flags & numbers["NI_NAMEREQD"]:
        raise _unknown()
    port = sockaddr[1] & 0xFFFF
    service = str(port) if flags & numbers["NI_NUMERICSERV"] else _PORTS.get(port, str(port))
    return name or literal[1], service


def getservbyname(servicename: str, protocolname: str = "tcp", /) -> int:
    """Returns the port of a service."""
    if servicename not in _SERVICES or protocolname not in ("tcp", "udp"):
        raise OSError("service/proto not found")
    return _SERVICES[servicename]


def getservbyport(port: int, protocolname: str = "tcp", /) -> str:
    """Returns the service of a port."""
    if not 0 <= port <= 0xFFFF:
        raise OverflowError("getservbyport: port must be 0-65535.")
    if port not in _PORTS or protocolname not in ("tcp", "udp"):
        raise OSError("port/proto not found")
    return _PORTS[port]


def getprotobyname(name: str, /) -> int:
    """Returns the number of a protocol."""
    if name not in _PROTOCOLS:
        raise OSError("protocol not found")
    return _PROTOCOLS[name]
