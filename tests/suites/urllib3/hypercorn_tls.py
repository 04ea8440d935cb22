"""Makes hypercorn from PyPI report TLS to its application as urllib3's own version does."""

from __future__ import annotations

from contextvars import ContextVar
from typing import Any

from hypercorn.trio.task_group import TaskGroup
from hypercorn.trio.tcp_server import TCPServer

_stream: ContextVar[Any] = ContextVar("_stream")

_stock_run = TCPServer.run
_stock_spawn_app = TaskGroup.spawn_app


async def run(self: TCPServer) -> None:
    """Serves one connection; the tasks that it starts know its stream."""
    _stream.set(self.stream)
    await _stock_run(self)


async def spawn_app(self: TaskGroup, app: Any, config: Any, scope: Any, send: Any) -> Any:
    """Serves one request, with the extension `tls` of ASGI."""
    stream = _stream.get()
    if hasattr(stream, "selected_alpn_protocol"):
        subject = (stream.getpeercert() or {}).get("subject", ())
        names = [f"{key}={value}" for part in subject for key, value in part]
        scope["extensions"]["tls"] = {
            "alpn_protocol": stream.selected_alpn_protocol(),
            "client_cert_name": ", ".join(names),
        }
    return await _stock_spawn_app(self, app, config, scope, send)


def install() -> None:
    """Applies the change."""
    TCPServer.run = run  # type: ignore[method-assign]
    TaskGroup.spawn_app = spawn_app  # type: ignore[method-assign]
