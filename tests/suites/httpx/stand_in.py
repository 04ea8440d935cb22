"""Puts a server and certificates outside in the place of what httpx's tests bring."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

# httpx uses zstandard and trio where it finds them, so it is there before.
import httpx  # noqa: F401
import pytest
import trustme_outside
from asyncio_only import anyio_backend
from outside import call, module

__all__ = ["anyio_backend"]


class Config:
    """Where uvicorn is; what it runs is outside."""

    is_ssl = False
    host = "127.0.0.1"

    def __init__(self, **settings: object) -> None:
        self.port = call("start_server")


class Server:
    """What the tests subclass."""

    def __init__(self, config: Config) -> None:
        self.config = config


def serve_in_thread(server: Server) -> Iterator[Server]:
    """In place of the function in `tests/conftest.py`: the server runs already."""
    yield server


trustme_outside.install()
module("uvicorn")
module("uvicorn.config", Config=Config)
module("uvicorn.server", Server=Server)
# Imported by test files of which most tests need neither; pyproject.toml names trio's warning.
module("trio", TrioDeprecationWarning=type("TrioDeprecationWarning", (FutureWarning,), {}))
module("zstandard")


@pytest.hookimpl(tryfirst=True)
def pytest_plugin_registered(plugin: Any) -> None:
    """Once `tests/conftest.py` is there."""
    if getattr(plugin, "__name__", "") == "tests.conftest":
        plugin.serve_in_thread = serve_in_thread
