"""The server and the certificates of httpx's tests."""

from __future__ import annotations

from certificate_servers import encrypted_key, issue_cert, new_ca, new_child_ca

from tests import conftest

__all__ = ["encrypted_key", "issue_cert", "new_ca", "new_child_ca", "start_server"]

_running: list[int] = []
_generators: list[object] = []


def start_server() -> int:
    """Starts the application of `tests/conftest.py` in uvicorn unless it runs; returns the port."""
    if not _running:
        config = conftest.Config(app=conftest.app, lifespan="off", loop="asyncio", port=0)
        server = conftest.TestServer(config=config)
        serving = conftest.serve_in_thread(server)
        next(serving)
        _generators.append(serving)
        _running.append(server.servers[0].sockets[0].getsockname()[1])
    return _running[0]
