"""Makes some requests with the HTTP clients that a snapshot has imported.

See `rehearsal_network`: nothing of these requests is left, and none leaves the interpreter. What a
client does for the first time, it does here: it looks for passwords, makes pools and a TLS context.
"""

import atexit
import logging
import operator
import sys
import threading
import weakref
from collections.abc import Callable, Set
from types import FunctionType
from typing import Any, Final, NamedTuple

from . import rehearsal_network

_TIMES: Final = 8
_BODY: Final = {"a": 1}


def rehearse() -> str | None:
    """Makes the requests, if there is a client; says what a program would notice of them."""
    clients = [client for client in _CLIENTS if _is_stock(client)]
    if not clients:
        return None
    modules, before = set(sys.modules), _look()
    try:
        with rehearsal_network.answered():
            for _ in range(_TIMES):
                for client in clients:
                    for url in rehearsal_network.URLS:
                        client.ask(sys.modules[client.name], url)
    except BaseException as error:
        return f"a request failed: {type(error).__name__}: {error}"
    finally:
        _forget(set(sys.modules) - modules)
        _forget_finalizers(before)
        # What each logger knows of its level.
        logging.Logger.manager._clear_cache()  # type: ignore[attr-defined]
    for (what, then), (_, now) in zip(before.items(), _look().items(), strict=True):
        if then != now:
            return f"a request changed {what}"
    return None


def _requests(requests: Any, url: str) -> None:
    requests.get(url, timeout=1).json()
    with requests.Session() as session:
        assert session.get(url, headers={"Accept": "application/json"}).text
        session.post(url, json=_BODY).raise_for_status()


def _httpx(httpx: Any, url: str) -> None:
    httpx.get(url, timeout=1).json()
    with httpx.Client() as client:
        assert client.get(url, headers={"Accept": "application/json"}).text
        client.post(url, json=_BODY).raise_for_status()


def _urllib3(urllib3: Any, url: str) -> None:
    with urllib3.PoolManager() as pool:
        assert pool.request("GET", url, timeout=1).data


class _Client(NamedTuple):
    """A client, what it does, and the classes that do it."""

    name: str
    ask: Callable[[Any, str], None]
    classes: tuple[str, ...]


_CLIENTS: Final = (
    _Client("requests", _requests, ("Session", "adapters.HTTPAdapter")),
    _Client("httpx", _httpx, ("Client", "HTTPTransport")),
    _Client("urllib3", _urllib3, ("PoolManager", "HTTPConnectionPool")),
)


def _is_stock(client: _Client) -> bool:
    """Whether it is imported and nobody has changed it: a cache would remember the requests."""
    module = sys.modules.get(client.name)
    if module is None:
        return False
    for name in client.classes:
        try:
            kind = operator.attrgetter(name)(module)
        except AttributeError:
            return False
        own = [kind, *(each for each in vars(kind).values() if isinstance(each, FunctionType))]
        if any(each.__module__.partition(".")[0] != client.name for each in own):
            return False
    return True


def _forget(names: Set[str]) -> None:
    """Lets a program import these modules when it needs them, as without a rehearsal."""
    for name in names:
        module = sys.modules.pop(name)
        parent, _, attribute = name.rpartition(".")
        package = sys.modules.get(parent)
        if package is not None and vars(package).get(attribute) is module:
            delattr(package, attribute)


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
