"""Names that do not resolve. Arguments: URLs."""

from __future__ import annotations

import socket
import sys
import urllib.parse
import urllib.request

from report import attempt


def fetch(url: str) -> object:
    with urllib.request.urlopen(url) as response:
        return response.status


def connect(name: str | None) -> None:
    socket.create_connection((name, 80)).close()


for url in sys.argv[1:]:
    name = urllib.parse.urlsplit(url).hostname
    attempt(f"urllib {name}", fetch, url)
    attempt(f"connect {name}", connect, name)
