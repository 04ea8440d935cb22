"""Changes the class `socket.socket`: its connects are routed, and its errors are the broker's."""

import _socket

from . import connecting, routes
from .errors import again, is_told_once
from .wire import RAW

MYPY = False  # no program pays for `typing`
if MYPY:
    from typing import Any

# What reads returns nothing at the end of the stream, which may be a failure.
_READS = ("recv", "recv_into", "recvfrom", "recvfrom_into", "recvmsg", "recvmsg_into")
_WRITES = ("send", "sendall", "sendto", "sendmsg", "sendfile")
_NO_FAILURE = (BlockingIOError, InterruptedError, _socket.timeout)


def change(module: "Any") -> "None":
    """Changes the module `socket`."""
    kind = module.socket
    for name in _READS:
        _wrap(kind, name, _reading)
    for name in _WRITES:
        _wrap(kind, name, _writing)
    kind.connect = connect
    kind.connect_ex = connect_ex
    kind.getpeername = getpeername
    kind.getsockname = getsockname
    kind.setsockopt = setsockopt
    kind.getsockopt = getsockopt
    stock_close = kind._real_close

    def _real_close(self: "_socket.socket", *args: "Any") -> "None":
        routes.drop(self)
        stock_close(self, *args)

    kind._real_close = _real_close


def _wrap(kind: "type[Any]", name: "str", how: "Any") -> "None":
    stock = getattr(kind, name, None)
    if stock is None:
        return
    method = how(stock)
    method.__name__ = name
    method.__qualname__ = "socket." + name
    method.__doc__ = stock.__doc__
    setattr(kind, name, method)


def connect(self: "_socket.socket", *args: "Any") -> "None":
    """Connects to an address, through the broker unless it is the program's own machine."""
    if len(args) != 1:
        RAW.connect(self, *args)  # the error is CPython's own
        return
    connecting.connect(self, args[0])


def connect_ex(self: "_socket.socket", *args: "Any") -> "int":
    """As `connect`, but returns the errno, or 0. A name that fails is still raised."""
    if len(args) != 1:
        return RAW.connect_ex(self, *args)
    made = connecting.plan(self, args[0])
    if made.direct is not None:
        return RAW.connect_ex(self, made.direct)
    try:
        connecting.connect(self, args[0])
    except _socket.gaierror:
        raise
    except OSError as error:
        return error.errno if error.errno is not None else 11  # EAGAIN, as CPython's for timeouts
    return 0


def told_instead(sock: "_socket.socket", error: "OSError | None") -> "OSError | None":
    """Returns what the broker says about a routed connection that ended; else `error`."""
    route = routes.find(sock)
    if route is None:
        return error
    return route.failed() or error


def _reading(stock: "Any") -> "Any":
    def method(self: "_socket.socket", *args: "Any", **kwargs: "Any") -> "Any":
        try:
            found = stock(self, *args, **kwargs)
        except _NO_FAILURE:
            raise
        except OSError as error:
            told = told_instead(self, error)
            if told is None or told is error:
                raise
            raise told from None
        if not (found[0] if isinstance(found, tuple) else found) and _asked_for_some(args):
            told = told_instead(self, None)
            if told is not None:
                raise told
        return found

    return method


def _asked_for_some(args: "tuple[Any, ...]") -> "bool":
    first = args[0] if args else 1
    try:
        return bool(first if isinstance(first, int) else len(first))
    except TypeError:
        return True


def _writing(stock: "Any") -> "Any":
    def method(self: "_socket.socket", *args: "Any", **kwargs: "Any") -> "Any":
        route = routes.find(self)
        if route is not None and route.failure is not None and not is_told_once(route.failure):
            raise again(route.failure)
        try:
            return stock(self, *args, **kwargs)
        except _NO_FAILURE:
            raise
        except OSError as error:
            told = told_instead(self, error)
            if told is None or told is error:
                raise
            raise told from None

    return method


def getpeername(self: "_socket.socket") -> "Any":
    """Returns the peer's address, as the broker named it."""
    name = RAW.getpeername(self)  # raises if it is not connected
    route = routes.find(self)
    return name if route is None else route.peer


def getsockname(self: "_socket.socket") -> "Any":
    """Returns the socket's own address."""
    route = routes.find(self)
    return RAW.getsockname(self) if route is None or route.own is None else route.own


def setsockopt(self: "_socket.socket", *args: "Any") -> "None":
    """Sets an option; those of TCP are kept where a Unix socket goes to the broker."""
    try:
        RAW.setsockopt(self, *args)
    except OSError:
        route = routes.find(self)
        if route is None or not route.is_other or len(args) < 3:
            raise
        route.options[args[0], args[1]] = args[2]


def getsockopt(self: "_socket.socket", *args: "Any") -> "Any":
    """Returns the value of an option."""
    try:
        return RAW.getsockopt(self, *args)
    except OSError:
        route = routes.find(self)
        if route is None or not route.is_other or len(args) < 2:
            raise
        return route.options.get((args[0], args[1]), 0)
