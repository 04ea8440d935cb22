"""The worker threads of anyio: each waits for its next call, and begins again then."""

from typing import Any

from .after_import import when_imported


def adapt_when_imported() -> None:
    """Has anyio's workers begin again when there is something for them to do."""
    when_imported("anyio._backends._asyncio", _adapt)


def _adapt(module: Any) -> None:
    module.WorkerThread._sandbox_net_is_ready = lambda self: not self.queue.empty()
