"""Puts servers outside in the place of those of h11's tests."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace

import pytest
from outside import call


@contextmanager
def socket_server(handler: type) -> Iterator[SimpleNamespace]:
    """As the function in `test_against_stdlib_http.py`, whose tests use the address alone."""
    yield SimpleNamespace(server_address=tuple(call("start", handler=handler.__name__)))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Once the test modules are there."""
    for module in {item.getparent(pytest.Module) for item in items}:
        if module is not None and module.name == "test_against_stdlib_http.py":
            module.obj.socket_server = socket_server
