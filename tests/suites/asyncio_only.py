"""Runs tests for anyio only on asyncio: trio has its own I/O and is not tested."""

from __future__ import annotations

import pytest


@pytest.fixture(scope="module", params=["asyncio"])
def anyio_backend(request: pytest.FixtureRequest) -> str:
    """Replaces anyio's own fixture, whose parameters are asyncio and trio."""
    return str(request.param)
