"""Replaces the servers of requests' tests with servers outside."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import events_outside
import pytest
import requests
from httpbin_outside import httpbin, httpbin_ca_bundle, httpbin_secure
from outside import call
from parcel import Unpacker

__all__ = ["httpbin", "httpbin_ca_bundle", "httpbin_secure"]

testserver = importlib.import_module("tests.testserver.server")


class Outside:
    """The interface of `Server` and `TLSServer`, without their thread."""

    kind: str

    def __init__(self, handler: Any = None, **settings: Any) -> None:
        self._settings = {"handler": handler, **settings}
        self._packer = events_outside.new_packer()

    def __enter__(self) -> tuple[str, int]:
        settings = self._packer.pack(self._settings)
        started = call("start_testserver", kind=self.kind, settings=settings)
        self._number = started["number"]
        events_outside.remember(self._number, self._packer)
        return started["host"], started["port"]

    def __exit__(self, kind: object, error: object, traceback: object) -> None:
        call("stop_testserver", number=self._number, failed=kind is not None)
        events_outside.take_in_changes()
        events_outside.forget(self._number)

    @property
    def handler_results(self) -> list[Any]:
        """The results of the handler for each connection."""
        return list(Unpacker("/", {}).unpack(call("handler_results", number=self._number)))


class Server(Outside):
    """Replaces `tests.testserver.server.Server`."""

    kind = "Server"
    text_response_server = testserver.Server.__dict__["text_response_server"]
    basic_response_server = testserver.Server.__dict__["basic_response_server"]


class TLSServer(Outside):
    """Replaces `tests.testserver.server.TLSServer`."""

    kind = "TLSServer"


def send(self: requests.Session, request: requests.PreparedRequest, **more: Any) -> Any:
    """Sends a request: its handler may use the variables of the test, and the other way round."""
    events_outside.send_filled()
    try:
        return _stock_send(self, request, **more)
    finally:
        events_outside.take_in_changes()


_stock_send = requests.Session.send
requests.Session.send = send  # type: ignore[method-assign]
vars(testserver).update(Server=Server, TLSServer=TLSServer)


def nosan_server(tmp_path: Path) -> Iterator[tuple[str, int, str]]:
    """Replaces the fixture in `tests/conftest.py`."""
    started = call("start_nosan_server")
    path = tmp_path / "ca.pem"
    path.write_text(started["ca"])
    yield "localhost", started["port"], str(path)


@pytest.hookimpl(tryfirst=True)
def pytest_plugin_registered(plugin: Any) -> None:
    """Runs once `tests/conftest.py` is loaded."""
    if getattr(plugin, "__name__", "") == "tests.conftest":
        plugin.nosan_server = pytest.fixture(nosan_server)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Runs once the test modules are loaded."""
    for found in {item.getparent(pytest.Module) for item in items}:
        if isinstance(getattr(found, "obj", None), ModuleType):
            events_outside.replace_events(found.obj)  # type: ignore[union-attr]
