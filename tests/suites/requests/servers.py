"""The servers of requests' tests: httpbin, and its own `testserver`."""

from __future__ import annotations

import http.server
import ssl
import threading
from pathlib import Path
from typing import Any

import trustme
from event_servers import changes, event, events, fill, new_event, unpackers
from httpbin_servers import httpbin_ca, start_httpbin
from parcel import Unpacker, describe
from tests.testserver import server as testserver

__all__ = ["changes", "event", "fill", "httpbin_ca", "new_event", "start_httpbin"]

ROOT = str(Path(testserver.__file__).parent.parent.parent)

_servers: list[testserver.Server] = []


def start_testserver(kind: str, settings: list[Any]) -> dict[str, Any]:
    """Starts a `Server` or `TLSServer`; returns its number, host and port."""
    unpacker = Unpacker(ROOT, events)
    server = getattr(testserver, kind)(**unpacker.unpack(settings))
    number = len(_servers)
    _servers.append(server)
    unpackers[number] = unpacker
    host, port = server.__enter__()
    return {"number": number, "host": host, "port": port}


def stop_testserver(number: int, failed: bool) -> None:
    """Ends it as leaving its `with` block does."""
    error = AssertionError("the test failed") if failed else None
    _servers[number].__exit__(type(error) if error else None, error, None)


def handler_results(number: int) -> list[Any] | None:
    """Returns the results of its handler for each connection."""
    return describe(_servers[number].handler_results)


def start_nosan_server() -> dict[str, Any]:
    """Starts a TLS server whose certificate has only a common name."""
    authority = trustme.CA()
    certificate = authority.issue_cert(common_name="localhost")
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    certificate.configure_cert(context)
    handler = http.server.SimpleHTTPRequestHandler
    server = http.server.HTTPServer(("localhost", 0), handler)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return {"port": server.server_address[1], "ca": authority.cert_pem.bytes().decode()}
