"""The module `_socket`."""

import errno
import os
import types
from typing import Final

from . import constants, inet, names, stock
from .endpoint import FIRST_FD, TABLE
from .errors import os_error
from .pair import PairEnd
from .sockets import socket

# Pure functions of the stock module.
_STOCK: Final = (
    "ntohs",
    "ntohl",
    "htons",
    "htonl",
    "inet_aton",
    "inet_ntoa",
    "getdefaulttimeout",
    "setdefaulttimeout",
)


def close(fd: int, /) -> None:
    """Closes a descriptor, virtual or real."""
    if fd >= FIRST_FD:
        TABLE.close(fd)
    else:
        os.close(fd)


def dup(fd: int, /) -> int:
    """Returns another descriptor for the same socket or file."""
    return TABLE.add(TABLE.watched(fd)) if fd >= FIRST_FD else os.dup(fd)


def socketpair(
    family: int | None = None, type: int = constants.SOCK_STREAM, proto: int = 0, /
) -> tuple[socket, socket]:
    """Makes two connected sockets in memory."""
    family = constants.AF_UNIX if family is None else family
    if family not in (constants.AF_UNIX, constants.AF_INET, constants.AF_INET6):
        raise os_error(errno.EAFNOSUPPORT)
    if type != constants.SOCK_STREAM:
        raise os_error(errno.EOPNOTSUPP)
    one, two = PairEnd.pair(family, type, proto)
    return socket(fileno=TABLE.add(one)), socket(fileno=TABLE.add(two))


def gethostname() -> str:
    """Fails: a sandbox has no name of its own to set."""
    return names.HOST_NAME


def build() -> types.ModuleType:
    """Makes the module that replaces `_socket`."""
    module = types.ModuleType("_socket", "Sockets that the host of this sandbox carries.")
    contents: dict[str, object] = dict(constants.SOCKET)
    contents |= {name: getattr(stock.SOCKET, name) for name in _STOCK}
    functions = (close, dup, gethostname, inet.inet_ntop, inet.inet_pton, socketpair)
    lookups = (
        names.getaddrinfo,
        names.gethostbyaddr,
        names.gethostbyname,
        names.gethostbyname_ex,
        names.getnameinfo,
        names.getprotobyname,
        names.getservbyname,
        names.getservbyport,
    )
    contents |= {function.__name__: function for function in (*functions, *lookups)}
    contents |= {
        "SocketType": socket,
        "error": OSError,
        "gaierror": stock.gaierror,
        "has_ipv6": True,
        "herror": stock.herror,
        "socket": socket,
        "timeout": TimeoutError,
    }
    vars(module).update(contents)
    return module
