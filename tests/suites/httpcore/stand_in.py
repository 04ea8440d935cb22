"""Puts servers outside, and asyncio, in the place of what httpcore's tests bring."""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable
from types import ModuleType

import anyio

# httpcore uses the module `trio` where it finds one, so it is there before.
import httpcore  # noqa: F401
import pytest
from asyncio_only import anyio_backend
from httpbin_outside import httpbin, httpbin_secure

__all__ = ["anyio_backend", "httpbin", "httpbin_secure"]


class Trio(ModuleType):
    """What the tests use of trio, on asyncio."""

    @staticmethod
    def open_nursery() -> anyio.abc.TaskGroup:
        """Has `start_soon`, as a nursery has."""
        return anyio.create_task_group()

    @staticmethod
    def run(function: Callable[..., Awaitable[object]], *arguments: object) -> object:
        """Runs an event loop."""
        return anyio.run(function, *arguments)


sys.modules["trio"] = Trio("trio")


def pytest_configure(config: pytest.Config) -> None:
    """pytest-trio's marker."""
    config.addinivalue_line("markers", "trio: runs on trio")


@pytest.hookimpl(tryfirst=True)
def pytest_pycollect_makeitem(obj: object) -> None:
    """Tests for pytest-trio are tests for anyio."""
    if any(mark.name == "trio" for mark in getattr(obj, "pytestmark", [])):
        pytest.mark.anyio(obj)
