"""The fixtures of pytest-httpbin, with its servers outside."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urljoin

import pytest
from outside import call


@dataclass
class Httpbin:
    """As `pytest_httpbin.serve.Server`."""

    protocol: str
    host: str
    port: int

    @property
    def url(self) -> str:
        """Returns the URL without a path."""
        return f"{self.protocol}://{self.host}:{self.port}"

    def __add__(self, path: str) -> str:
        return self.url + path

    def join(self, url: str, allow_fragments: bool = True) -> str:
        """`url` relative to the server."""
        return urljoin(self.url, url, allow_fragments=allow_fragments)


@pytest.fixture(scope="session")
def httpbin() -> Httpbin:
    """The server over HTTP."""
    return Httpbin(**call("start_httpbin", secure=False))


@pytest.fixture(scope="session")
def httpbin_secure() -> Httpbin:
    """The server over HTTPS, with a certificate that `httpbin_ca_bundle` verifies."""
    return Httpbin(**call("start_httpbin", secure=True))


@pytest.fixture
def httpbin_ca_bundle(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Makes requests trust the certificate."""
    path = tmp_path / "httpbin-ca.pem"
    path.write_text(call("httpbin_ca"))
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(path))
