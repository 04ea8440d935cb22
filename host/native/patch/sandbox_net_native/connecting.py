"""Connects a socket through the broker."""

import _socket
import errno
import os

from . import loopback, routes, settings, wire
from .errors import exception_for, is_of_one_host, unknown_name
from .literals import (
    AF_INET,
    AF_INET6,
    host_argument,
    is_name,
    is_own_name,
    parse_literal,
)
from .names import NAMES
from .wire import RAW, Deadline

MYPY = False  # no program pays for `typing`
if MYPY:
    from typing import Any

_FLAGS = getattr(_socket, "SOCK_NONBLOCK", 0) | getattr(_socket, "SOCK_CLOEXEC", 0)
_V6ONLY = (getattr(_socket, "IPPROTO_IPV6", 41), getattr(_socket, "IPV6_V6ONLY", 26))
# How long a socket that does not wait is made to wait for the broker.
_MAX_SECONDS = 60.0
# What a new socket in the place of a failed one takes over.
_OPTIONS = [
    (getattr(_socket, level), getattr(_socket, name))
    for level, name in (
        ("SOL_SOCKET", "SO_KEEPALIVE"),
        ("SOL_SOCKET", "SO_REUSEADDR"),
        ("SOL_SOCKET", "SO_OOBINLINE"),
        ("IPPROTO_TCP", "TCP_NODELAY"),
        ("IPPROTO_TCP", "TCP_KEEPIDLE"),
        ("IPPROTO_TCP", "TCP_KEEPINTVL"),
        ("IPPROTO_TCP", "TCP_KEEPCNT"),
        ("IPPROTO_TCP", "TCP_USER_TIMEOUT"),
    )
    if hasattr(_socket, level) and hasattr(_socket, name)
]


class Plan:
    """What a program's address means: a host of its own, or hosts to ask the broker for."""

    __slots__ = ("direct", "given", "hosts", "port")

    def __init__(
        self, direct: "Any", hosts: "tuple[str, ...]", port: "int", given: "tuple[Any, ...]"
    ):
        # The address to connect to without the broker, or first; `None` if it is routed.
        self.direct = direct
        # Likeliest first.
        self.hosts = hosts
        self.port = port
        # What `getpeername` answers if the broker names no peer of this family.
        self.given = given


def plan(sock: "_socket.socket", address: "Any") -> "Plan":
    """Says how to connect to `address`.

    Raises:
        gaierror: there can be no such host.
    """
    family = sock.family
    is_tcp = family in (AF_INET, AF_INET6) and sock.type & ~_FLAGS == _socket.SOCK_STREAM
    direct = Plan(address, (), 0, ())
    if not is_tcp or not isinstance(address, tuple):
        return direct
    if not (len(address) == 2 or (family == AF_INET6 and 2 < len(address) <= 4)):
        return direct  # the error is CPython's own
    host, port = address[0], address[1]
    if not hasattr(port, "__index__"):
        return direct
    port = port.__index__()
    text = host_argument(host)
    rest = tuple(address[2:])
    if not 0 <= port <= 0xFFFF:  # the error is CPython's own, and needs no query
        return Plan(("::1" if family == AF_INET6 else "127.0.0.1", port, *rest), (), 0, ())
    if is_own_name(text):
        return _of_own(family, (text,), _own(family, text, port, rest))
    literal = parse_literal(text)
    if literal is None:
        return _by_name(direct, family, text, port)
    if literal[0] != family or wire.is_broker(literal[1], port):
        return direct
    hosts = NAMES.hosts(host, literal[1], port)
    if not hosts or all(map(is_own_name, hosts)):
        return _of_own(family, hosts or (literal[1],), (literal[1], port, *rest))
    given = (literal[1], port) + (((*rest, 0, 0))[:2] if family == AF_INET6 else ())
    return Plan(None, hosts, port, given)


def _of_own(family: "int", hosts: "tuple[str, ...]", direct: "tuple[Any, ...]") -> "Plan":
    """Returns the plan for this machine itself; `hosts` are what it is for the policy."""
    if not loopback.is_shared():
        return Plan(direct, (), 0, ())
    more = (*direct[2:], 0, 0)[:2] if family == AF_INET6 else ()
    given = (*direct[:2], *more)
    return Plan(direct, hosts, direct[1], given)


def _own(family: "int", text: "str", port: "int", rest: "tuple[Any, ...]") -> "tuple[Any, ...]":
    """Returns an address of the machine itself, also where no table of hosts names it."""
    from . import lookups

    host = lookups.own_addresses(text, family)[0]
    return (host, port, *rest)


def _by_name(direct: "Plan", family: "int", text: "str", port: "int") -> "Plan":
    if text in ("", "<broadcast>"):
        return direct
    if not is_name(text):
        raise unknown_name()
    host = NAMES.stand_in(text, family)
    given = (host, port, 0, 0) if family == AF_INET6 else (host, port)
    return Plan(None, (text,), port, given)


def connect(sock: "_socket.socket", address: "Any") -> "None":
    """Connects as the method of `_socket.socket` does, through the broker where that is due."""
    made = plan(sock, address)
    if connects_directly(sock, made):
        return
    require_unconnected(sock)
    timeout = RAW.gettimeout(sock)
    # A socket that does not wait would need the program's help for more than one connect.
    deadline = Deadline(_MAX_SECONDS if timeout == 0 else timeout)
    failure = None
    try:
        for host in made.hosts:
            failure = attempt(sock, made, host, deadline, failure)
            if failure is None:
                return
            if not is_of_one_host(failure[0]):
                break
        if failure is not None:
            raise failure_of(made, failure)
    finally:
        failure = None
        if sock.fileno() >= 0:
            RAW.settimeout(sock, timeout)


def require_unconnected(sock: "_socket.socket") -> "None":
    """Fails as the system does where the socket is connected."""
    try:
        RAW.getpeername(sock)
    except OSError:
        return
    raise OSError(errno.EISCONN, os.strerror(errno.EISCONN))


def attempt(
    sock: "_socket.socket",
    made: "Plan",
    host: "str",
    deadline: "Deadline",
    earlier: "tuple[Any, ...] | None",
) -> "tuple[dict[str, object], str] | None":
    """Asks the broker for one host; returns the error for the likeliest one so far, and its host.

    Raises:
        OSError: the broker is away, or is none.
    """
    carrier = open_carrier(sock)
    done = False
    try:
        _, address = wire.broker_address(carrier.family)
        wire.connect_carrier(carrier, address, deadline)
        head = wire.connect_request(host, made.port)
        answer, body = wire.exchange(carrier, head, deadline)
        if answer.status != 200:
            wire.read_body(carrier, body, deadline)
            return earlier or (body.error(), host)
        settle(sock, carrier, made, host, answer)
        done = True
        return None
    finally:
        leave(sock, carrier, done)


def connects_directly(sock: "_socket.socket", made: "Plan") -> "bool":
    """Connects to the direct address; returns whether that is all. Else the broker is asked."""
    if made.direct is None:
        return False
    if not loopback.connect(sock, made.direct, made.hosts):
        return True
    _renew(sock)  # the kernel lets a socket that was refused not connect at once
    return False


def failure_of(made: "Plan", failure: "tuple[Any, ...]") -> "OSError":
    """Returns the exception for what the broker said."""
    return exception_for(*failure) if made.direct is None else loopback.exception(*failure)


def open_carrier(sock: "_socket.socket") -> "RAW":
    """Returns the socket that goes to the broker: the program's own where the family allows it."""
    only_v6 = sock.family == AF_INET6 and RAW.getsockopt(sock, *_V6ONLY)
    family, _ = wire.broker_address(AF_INET if only_v6 else sock.family)
    if family == sock.family:
        return sock
    return RAW(family, _socket.SOCK_STREAM, 0)


def settle(
    sock: "_socket.socket", carrier: "RAW", made: "Plan", host: "str", answer: "wire.Answer"
) -> "None":
    """Puts the connection in the place of the program's socket."""
    kept = {}  # type: dict[tuple[int, int], object]
    if carrier is not sock:
        kept = _take_over_options(sock, carrier)
        _put_over(sock, carrier)
    told = answer.fields.get("x-sandbox-net-peer", "")
    peer = routes.peer_address(sock.family, told, made.given)
    connection = answer.fields.get("x-sandbox-net-connection", "")
    if not connection.isalnum():
        connection = ""
    route = routes.Route(connection, host, peer, carrier is not sock)
    route.options.update(kept)
    routes.add(sock, route)
    settings.log("info", f"{host}:{made.port} is routed")


def leave(sock: "_socket.socket", carrier: "RAW", done: "bool") -> "None":
    """Ends an attempt: after a failure the program's socket is as new, and may connect again."""
    if carrier is not sock:
        RAW.close(carrier)
    elif not done and sock.fileno() >= 0:
        _renew(sock)


def _renew(sock: "_socket.socket") -> "None":
    kind = sock.type & ~_FLAGS
    fresh = RAW(sock.family, kind, sock.proto)
    try:
        _take_over_options(sock, fresh)
        _put_over(sock, fresh)
    finally:
        RAW.close(fresh)


def _take_over_options(sock: "_socket.socket", other: "RAW") -> "dict[tuple[int, int], object]":
    """Sets the options of a socket on another; returns those that it does not have."""
    kept = {}  # type: dict[tuple[int, int], object]
    for level, name in _OPTIONS:
        value = RAW.getsockopt(sock, level, name)
        try:
            RAW.setsockopt(other, level, name, value)
        except OSError:
            kept[level, name] = value
    return kept


def _put_over(sock: "_socket.socket", other: "RAW") -> "None":
    fd = sock.fileno()
    os.dup2(other.fileno(), fd, os.get_inheritable(fd))
