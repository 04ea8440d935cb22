"""Replaces urllib3's dummyserver with servers outside."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

import events_outside
import pytest
import trustme_outside
import urllib3.connectionpool
from asyncio_only import anyio_backend
from events_outside import RemoteEvent
from outside import call, module

__all__ = ["anyio_backend"]


class ProxyApp:
    """The proxy outside."""

    def __init__(self, upstream_ca_certs: str | None = None) -> None:
        self.upstream = upstream_ca_certs


@contextmanager
def run_hypercorn_in_thread(host: str, certs: dict[str, Any] | None, app: object) -> Iterator[int]:
    """As the function in `dummyserver/hypercornserver.py`."""
    packer = events_outside.new_packer()
    started = call(
        "start_hypercorn",
        host=host,
        certificates=packer.pack(certs),
        proxy=isinstance(app, ProxyApp),
        upstream=packer.pack(getattr(app, "upstream", None)),
    )
    try:
        yield started["port"]
    finally:
        call("stop_hypercorn", number=started["number"])


class SocketServerThread:
    """As the class in `dummyserver/socketserver.py`; the handler runs outside."""

    USE_IPV6 = False

    def __init__(
        self,
        socket_handler: Any,
        host: str = "localhost",
        ready_event: RemoteEvent | None = None,
        quit_event: RemoteEvent | None = None,
    ) -> None:
        self.host = host
        self.quit_event = quit_event
        self._handler = socket_handler
        self._ready_event = ready_event
        self._number: int | None = None

    def start(self) -> None:
        """Begins to listen."""
        packer = events_outside.new_packer()
        started = call(
            "start_socket_server",
            handler=packer.pack(self._handler),
            host=self.host,
            quit_event=self.quit_event.number if self.quit_event else None,
        )
        self.port = started["port"]
        self._number = started["number"]
        events_outside.remember(started["number"], packer)
        if self._ready_event:
            self._ready_event.set()

    def join(self, timeout: float | None = None) -> None:
        """Ends the handler."""
        # Test cases keep it, and end it again after each of their other tests.
        number, self._number = self._number, None
        if number is not None:
            call("join", number=number)
            events_outside.take_in_changes()
            events_outside.forget(number)

    def is_alive(self) -> bool:
        """Whether it still runs."""
        return False


def urlopen(self: Any, *arguments: Any, **more: Any) -> Any:
    """Sends a request, after which a test may read what its handler recorded."""
    try:
        return _stock_urlopen(self, *arguments, **more)
    finally:
        events_outside.take_in_changes()


_stock_urlopen = urllib3.connectionpool.HTTPConnectionPool.urlopen
urllib3.connectionpool.HTTPConnectionPool.urlopen = urlopen  # type: ignore[method-assign]
trustme_outside.install()
module("dummyserver.app", hypercorn_app="hypercorn_app")
module("dummyserver.asgi_proxy", ProxyApp=ProxyApp)
module("dummyserver.hypercornserver", run_hypercorn_in_thread=run_hypercorn_in_thread)

# IPv6, the name `localhost.` and internet access depend on the machine, but the list of differences
# is the same for all.
socketserver = importlib.import_module("dummyserver.socketserver")
vars(socketserver).update(
    HAS_IPV6=False, HAS_IPV6_AND_DNS=False, SocketServerThread=SocketServerThread
)
vars(importlib.import_module("test")).update(
    RESOLVES_LOCALHOST_FQDN=False, _requires_network_has_route=False
)
events_outside.replace_events(importlib.import_module("dummyserver.testcase"))


def pytest_configure(config: pytest.Config) -> None:
    """pytest-timeout's marker: runs that hang are ended from outside."""
    config.addinivalue_line("markers", "timeout: is to end in time")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Runs once the test modules are loaded."""
    for found in {item.getparent(pytest.Module) for item in items}:
        if isinstance(getattr(found, "obj", None), ModuleType):
            events_outside.replace_events(found.obj)  # type: ignore[union-attr]
