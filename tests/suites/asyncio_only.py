"""Runs tests for anyio on asyncio alone: trio brings its own I/O and is not tested."""

from __future__ import annotations

import pytest


@pytest.fixture(scope="module", params=["asyncio"])
def anyio_backend(request: pytest.FixtureRequest) -> str:
    """In place of anyio's own fixture, whose parameters are asyncio and trio."""
    return str(request.param)
