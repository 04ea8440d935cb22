"""Replaces the server and certificates of httpx's tests with those outside."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

# httpx uses zstandard and trio if it finds them, so import it first.
import httpx  # noqa: F401
import pytest
import trustme_outside
from asyncio_only import anyio_backend
from outside import call, module

__all__ = ["anyio_backend"]


class Config:
    """Knows where uvicorn is; its application runs outside."""

    is_ssl = False
    host = "127.0.0.1"

    def __init__(self, **settings: object) -> None:
        self.port = call("start_server")


class Server:
    """The class that the tests subclass."""

    def __init__(self, config: Config) -> None:
        self.config = config


def serve_in_thread(server: Server) -> Iterator[Server]:
    """Replaces the function in `tests/conftest.py`: the server runs already."""
    yield server


trustme_outside.install()
module("uvicorn")
module("uvicorn.config", Config=Config)
module("uvicorn.server", Server=Server)
# Imported by test files whose tests mostly need neither; pyproject.toml names trio's warning.
module("trio", TrioDeprecationWarning=type("TrioDeprecationWarning", (FutureWarning,), {}))
module("zstandard")


@pytest.hookimpl(tryfirst=True)
def pytest_plugin_registered(plugin: Any) -> None:
    """Runs once `tests/conftest.py` is loaded."""
    if getattr(plugin, "__name__", "") == "tests.conftest":
        plugin.serve_in_thread = serve_in_thread
