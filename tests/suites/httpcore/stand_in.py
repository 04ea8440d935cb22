"""Replaces the servers and the trio of httpcore's tests with servers outside and asyncio."""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable
from types import ModuleType

import anyio

# httpcore uses the module `trio` if it finds one, so import it first.
import httpcore  # noqa: F401
import pytest
from asyncio_only import anyio_backend
from httpbin_outside import httpbin, httpbin_secure

__all__ = ["anyio_backend", "httpbin", "httpbin_secure"]


class Trio(ModuleType):
    """The parts of trio that the tests use, on asyncio."""

    @staticmethod
    def open_nursery() -> anyio.abc.TaskGroup:
        """A nursery that has only `start_soon`."""
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
    """Turns tests for pytest-trio into tests for anyio."""
    if any(mark.name == "trio" for mark in getattr(obj, "pytestmark", [])):
        pytest.mark.anyio(obj)
