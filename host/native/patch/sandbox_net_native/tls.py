"""Changes the module `ssl`: the run's CA is trusted, and its errors are the broker's."""

import _socket

from . import routes, settings
from .errors import again

MYPY = False  # no program pays for `typing`
if MYPY:
    from typing import Any

_LOADS = ("load_default_certs", "load_verify_locations", "set_default_verify_paths")
# All others of `SSLSocket` use these.
_CALLS = ("do_handshake", "read", "write", "send")


def change(module: "Any") -> "None":
    """Changes the module `ssl`."""
    context = module.SSLContext
    if settings.CURRENT.ca:
        stock_load = context.load_verify_locations
        for name in _LOADS:
            _wrap(context, name, _trusting(getattr(context, name), stock_load))
    kind = module.SSLSocket
    for name in _CALLS:
        if name in kind.__dict__:
            _wrap(kind, name, _telling(kind.__dict__[name], module))


def _wrap(kind: "type[Any]", name: "str", method: "Any") -> "None":
    stock = getattr(kind, name)
    method.__name__ = name
    method.__qualname__ = f"{kind.__name__}.{name}"
    method.__doc__ = stock.__doc__
    setattr(kind, name, method)


def _trusting(stock: "Any", load: "Any") -> "Any":
    def method(self: "Any", *args: "Any", **kwargs: "Any") -> "Any":
        found = stock(self, *args, **kwargs)
        try:
            load(self, settings.CURRENT.ca)
        except OSError as error:
            settings.log("warn", f"SANDBOX_NET_CA cannot be read: {error}")
        return found

    return method


def _telling(stock: "Any", module: "Any") -> "Any":
    waits = (
        module.SSLWantReadError,
        module.SSLWantWriteError,
        BlockingIOError,
        InterruptedError,
        _socket.timeout,
    )

    def method(self: "Any", *args: "Any", **kwargs: "Any") -> "Any":
        return _tell(stock, waits, self, args, kwargs)

    return method


def _tell(
    stock: "Any",
    waits: "tuple[Any, ...]",
    sock: "Any",
    args: "tuple[Any, ...]",
    kwargs: "dict[Any, Any]",
) -> "Any":
    route = routes.find(sock)
    if route is not None and route.failure is not None:
        raise again(route.failure)
    try:
        found = stock(sock, *args, **kwargs)
    except waits:
        raise
    except OSError as error:
        # A handshake that fails may close the socket, so the route was found before.
        told = _told(route, error)
        if told is None:
            raise
        raise told from None
    if found is not None and not found and route is not None:
        told = route.failed()
        if told is not None:
            raise told
    return found


def _told(route: "routes.Route | None", error: "OSError") -> "OSError | None":
    if route is None or getattr(error, "_sandbox_net_refusal", False):
        return None
    return route.failed()
