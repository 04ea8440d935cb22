"""The state of a sandbox: files, environment, permissions. Arguments: URLs to try."""

from __future__ import annotations

import os
import pathlib
import sys
import urllib.request

from report import attempt, emit


def fetch(url: str) -> object:
    with urllib.request.urlopen(url, timeout=120) as response:
        return response.status


emit("environment", {name: os.environ[name] for name in ("OWN", "SHARED") if name in os.environ})
emit("files", {path.name: path.read_text() for path in sorted(pathlib.Path().glob("*.txt"))})
for url in sys.argv[1:]:
    attempt(url, fetch, url)
