"""Adapts the worker threads of anyio: each waits for its next call, and then starts again."""

from typing import Any

from .after_import import when_imported


def adapt_when_imported() -> None:
    """Makes anyio's workers start again when they have something to do."""
    when_imported("anyio._backends._asyncio", _adapt)


def _adapt(module: Any) -> None:
    worker = module.WorkerThread
    worker._sandbox_net_idle_at = property(lambda self: self.queue.not_empty)
    worker._sandbox_net_due = lambda self: 0.0 if self.queue._qsize() else float("inf")
