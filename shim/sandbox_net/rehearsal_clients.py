"""Makes some requests with `requests` and `urllib3`, where a snapshot has imported them.

See `rehearsal_network`: nothing of these requests is left, and none leaves the interpreter. What a
client does for the first time, it does here: it looks for passwords, makes pools and a TLS context.
Where somebody could have seen the requests, or something of them is left, the snapshot is to be
made again without them.
"""

import atexit
import contextlib
import logging
import operator
import os
import sys
import threading
import weakref
from collections.abc import Callable
from types import (
    BuiltinFunctionType,
    FunctionType,
    GetSetDescriptorType,
    MemberDescriptorType,
    MethodDescriptorType,
)
from typing import Any, Final, NamedTuple

from . import rehearsal_network

_TIMES: Final = 8
_BODY: Final = {"a": 1}


def rehearse() -> str | None:
    """Makes the requests; says what a program would notice of them; None if there is no client."""
    try:
        clients = [client for client in _CLIENTS if client.is_stock()]
        return _rehearse(clients) if clients else None
    except BaseException as error:
        return f"a request failed: {type(error).__name__}: {error}"


def _rehearse(clients: "list[_Client]") -> str:
    globals_before = {
        name: dict(vars(module))
        for name, module in sys.modules.items()
        if name.partition(".")[0] in _PACKAGES
    }
    modules, before = set(sys.modules), _look()
    level = logging.root.manager.disable
    # As programs have one: without it a request imports `pwd`.
    has_home = "HOME" in os.environ
    os.environ.setdefault("HOME", "/home")
    # Handlers would keep what the clients say.
    logging.disable()
    try:
        with rehearsal_network.answered():
            for _ in range(_TIMES):
                for client in clients:
                    for url in rehearsal_network.URLS:
                        client.ask(sys.modules[client.name], url)
    finally:
        # It forgets what each logger knows of its level, too.
        logging.disable(level)
        if not has_home:
            del os.environ["HOME"]
    for name, names in globals_before.items():
        vars(sys.modules[name]).update(names)
    _forget_finalizers(before)
    if new := set(sys.modules) - modules:
        return f"a request imported {min(new)}"
    for (what, then), (_, now) in zip(before.items(), _look().items(), strict=True):
        if then != now:
            return f"a request changed {what}"
    return ""


def _requests(requests: Any, url: str) -> None:
    requests.get(url, timeout=1).json()
    with requests.Session() as session:
        assert session.get(url, headers={"Accept": "application/json"}).text
        session.post(url, json=_BODY).raise_for_status()


def _urllib3(urllib3: Any, url: str) -> None:
    with urllib3.PoolManager() as pool:
        assert pool.request("GET", url, timeout=1).data


class _Client(NamedTuple):
    """A client, what it does, and the classes and functions that do it."""

    name: str
    ask: Callable[[Any, str], None]
    parts: tuple[str, ...]

    def is_stock(self) -> bool:
        """Whether it is imported and nobody has changed it: a cache would remember the requests."""
        if self.name not in sys.modules:
            return False
        for of, part in (*((self.name, part) for part in self.parts), *_BELOW):
            module = sys.modules.get(of)
            try:
                found = operator.attrgetter(part)(module)
            except AttributeError:
                return False
            if not _is_of(found, of):
                return False
        return True


_PACKAGES: Final = ("requests", "urllib3", "idna", "certifi", "charset_normalizer")
_URLLIB3: Final = (
    "PoolManager",
    "connectionpool.HTTPConnectionPool",
    "connectionpool.HTTPSConnectionPool",
    "connection.HTTPConnection",
    "connection.HTTPSConnection",
    "response.HTTPResponse",
)
_CLIENTS: Final = (
    _Client(
        "requests",
        _requests,
        ("get", "api.request", "Session", "adapters.HTTPAdapter", "Response", "PreparedRequest"),
    ),
    _Client("urllib3", _urllib3, _URLLIB3),
)
# What is below each of them.
_BELOW: Final = (
    *(("urllib3", part) for part in _URLLIB3),
    ("http.client", "HTTPConnection"),
    ("http.client", "HTTPResponse"),
)

# What classes have besides functions.
_PLAIN: Final = (
    BuiltinFunctionType,
    GetSetDescriptorType,
    MemberDescriptorType,
    MethodDescriptorType,
    type,
)


def _is_of(found: Any, package: str) -> bool:
    """Whether it is a function or a class of the package, and has functions of no other one."""
    if isinstance(found, FunctionType):
        return _origin(found) == _first(package)
    if not isinstance(found, type) or _first(found.__module__) != _first(package):
        return False
    for each in vars(found).values():
        each = getattr(each, "__func__", each)
        if isinstance(each, property):
            functions = [it for it in (each.fget, each.fset, each.fdel) if it is not None]
        elif isinstance(each, FunctionType):
            functions = [each]
        elif not isinstance(each, _PLAIN) and (callable(each) or hasattr(type(each), "__get__")):
            return False
        else:
            continue
        if any(_origin(function) != _first(package) for function in functions):
            return False
    return True


def _origin(function: Any) -> str:
    """The package in which a function was written, whatever it says of itself."""
    if function.__globals__ is vars(contextlib):
        # What `contextmanager` makes of one.
        function = function.__wrapped__
    return _first(str(function.__globals__.get("__name__")))


def _first(name: str) -> str:
    return name.partition(".")[0]


def _forget_finalizers(before: dict[str, Any]) -> None:
    """The first finalizer of a program takes its place among what runs at the end."""
    kind: Any = weakref.finalize
    if not before["finalizers"] and kind._registered_with_atexit and not kind._registry:
        kind._registered_with_atexit = False
        atexit.unregister(kind._exitfunc)


def _look() -> dict[str, Any]:
    kind: Any = weakref.finalize
    root = logging.getLogger()
    return {
        "finalizers": kind._registered_with_atexit,
        "what runs at the end": atexit._ncallbacks(),
        "threads": threading.enumerate(),
        "handlers of the root logger": (root.level, list(root.handlers)),
        "the standard streams": (sys.stdin, sys.stdout, sys.stderr),
    }
