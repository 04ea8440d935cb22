"""Replaces the servers of h11's tests with servers outside."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace

import pytest
from outside import call


@contextmanager
def socket_server(handler: type) -> Iterator[SimpleNamespace]:
    """As the function in `test_against_stdlib_http.py`, whose tests use only the address."""
    yield SimpleNamespace(server_address=tuple(call("start", handler=handler.__name__)))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Runs once the test modules are loaded."""
    for module in {item.getparent(pytest.Module) for item in items}:
        if module is not None and module.name == "test_against_stdlib_http.py":
            module.obj.socket_server = socket_server
