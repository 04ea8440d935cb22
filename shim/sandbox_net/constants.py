"""The constants of `_socket` and `select`: the stock module's, and those that a build lacks."""

import types
from typing import Final

from . import stock

# Names that programs read on Linux and that a build for WASI does not define. The values are
# Linux's, unless WASI has the same value for another name of the family (there AF_INET is 1 and
# AF_INET6 is 2).
_MISSING_SOCKET: Final = {
    "AF_UNIX": 3,
    "SOCK_RAW": 3,
    "SOCK_RDM": 4,
    "SOCK_SEQPACKET": 7,
    "SO_DEBUG": 1,
    "SO_REUSEADDR": 2,
    "SO_ERROR": 4,
    "SO_DONTROUTE": 5,
    "SO_BROADCAST": 6,
    "SO_SNDBUF": 7,
    "SO_RCVBUF": 8,
    "SO_KEEPALIVE": 9,
    "SO_OOBINLINE": 10,
    "SO_LINGER": 13,
    "SO_REUSEPORT": 15,
    "SO_RCVLOWAT": 18,
    "SO_SNDLOWAT": 19,
    "SO_RCVTIMEO": 20,
    "SO_SNDTIMEO": 21,
    "SO_ACCEPTCONN": 30,
    "SO_PROTOCOL": 38,
    "SO_DOMAIN": 39,
    "MSG_DONTWAIT": 0x40,
    "MSG_NOSIGNAL": 0x4000,
    "TCP_KEEPIDLE": 4,
    "TCP_KEEPINTVL": 5,
    "TCP_KEEPCNT": 6,
    "TCP_USER_TIMEOUT": 18,
    "IPPROTO_ICMPV6": 58,
    "EAI_OVERFLOW": 15,
    "SHUT_RD": 0,
    "SHUT_WR": 1,
    "SHUT_RDWR": 2,
}

_MISSING_SELECT: Final = {"POLLNVAL": 0x20, "POLLRDNORM": 0x40, "POLLWRNORM": 0x100}


def _numbers(module: types.ModuleType, missing: dict[str, int]) -> dict[str, int]:
    found = {
        name: value
        for name, value in vars(module).items()
        if name.isupper() and isinstance(value, int) and not isinstance(value, bool)
    }
    return missing | found


def _socket_numbers() -> dict[str, int]:
    numbers = _numbers(stock.SOCKET, _MISSING_SOCKET)
    # Families and control messages of Linux alone would promise what does not exist here.
    unsupported = ("AF_", "PF_", "CAN_", "BT", "HCI_", "NETLINK_", "TIPC_", "ALG_", "VM", "VSOCK")
    kept = {"AF_UNSPEC", "AF_INET", "AF_INET6", "AF_UNIX"}
    return {k: v for k, v in numbers.items() if k in kept or not k.startswith(unsupported)}


SOCKET: Final = _socket_numbers()
# Without epoll, or `selectors` would prefer it to `poll`.
SELECT: Final = {
    name: value
    for name, value in _numbers(stock.SELECT, _MISSING_SELECT).items()
    if not name.startswith("EPOLL")
}

AF_UNSPEC: Final = SOCKET["AF_UNSPEC"]
AF_INET: Final = SOCKET["AF_INET"]
AF_INET6: Final = SOCKET["AF_INET6"]
AF_UNIX: Final = SOCKET["AF_UNIX"]
SOCK_STREAM: Final = SOCKET["SOCK_STREAM"]
SOCK_DGRAM: Final = SOCKET["SOCK_DGRAM"]
SOCK_RAW: Final = SOCKET["SOCK_RAW"]
SOL_SOCKET: Final = SOCKET["SOL_SOCKET"]
SO_TYPE: Final = SOCKET["SO_TYPE"]
SO_ERROR: Final = SOCKET["SO_ERROR"]
IPPROTO_TCP: Final = SOCKET["IPPROTO_TCP"]
IPPROTO_UDP: Final = SOCKET["IPPROTO_UDP"]
