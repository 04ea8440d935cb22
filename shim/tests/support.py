"""What every test module imports first.

It loads the stock modules that the tests' own servers need, before the stand-ins replace them, and
installs the stand-ins.
"""

import sys
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import http.client as stock_http_client
import socket as stock_socket

try:
    import ssl as stock_ssl
except ImportError:  # CPython on WASI has none
    stock_ssl = None  # type: ignore[assignment]

try:
    import threading  # noqa: F401
    from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
except ImportError:
    BaseHTTPRequestHandler = ThreadingHTTPServer = None  # type: ignore[assignment,misc]

HAS_LOOPBACK = sys.platform != "wasi"

from sandbox_net import control  # noqa: E402
from sandbox_net.install import install  # noqa: E402

install()

from fake_host import Answer, FakeHost, Seen, Site  # noqa: E402

__all__ = [
    "HAS_LOOPBACK",
    "Answer",
    "BaseHTTPRequestHandler",
    "FakeHost",
    "HostTest",
    "Seen",
    "Site",
    "ThreadingHTTPServer",
    "stock_http_client",
    "stock_socket",
    "stock_ssl",
]


class HostTest(unittest.TestCase):
    """A test with its own host."""

    def setUp(self) -> None:
        self.host = FakeHost()
        control.use_transport(self.host)
        self.addCleanup(control.use_transport, None)

    def site(self, host: str = "example.com", port: int = 80, **settings: object) -> Site:
        """Adds a site."""
        site = Site(**settings)  # type: ignore[arg-type]
        self.host.sites[host, port] = site
        return site
