"""pytest-httpbin's servers, for the `servers.py` of the libraries whose tests use them."""

from __future__ import annotations

from pathlib import Path

import httpbin
from pytest_httpbin import certs, serve

_running: dict[bool, serve.Server] = {}


def start_httpbin(secure: bool) -> dict[str, object]:
    """Starts httpbin, with TLS if `secure`, unless it runs; returns its address."""
    if secure not in _running:
        kind = serve.SecureServer if secure else serve.Server
        _running[secure] = kind(application=httpbin.app)
        _running[secure].start()
    server = _running[secure]
    return {"protocol": server.protocol, "host": server.host, "port": server.port}


def httpbin_ca() -> str:
    """Returns the certificates of `httpbin_ca_bundle` as PEM text."""
    return Path(certs.where()).read_text()
