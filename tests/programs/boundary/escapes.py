"""Sends the key, and a guess at it, and reports what comes back.

Arguments: the base URL, the guess, and the paths.
"""

from __future__ import annotations

import os
import sys
import urllib.request

from report import attempt

ORIGIN, GUESS, *PATHS = sys.argv[1:]


def fetch(path: str) -> str:
    # Not every server may get the key.
    key = os.environ.get("API_KEY", "")
    fields = {"X-Guess": GUESS} if path == "/guess" else {"X-Api-Key": key}
    request = urllib.request.Request(ORIGIN + path, headers=fields)
    with urllib.request.urlopen(request, timeout=60) as response:
        return str(response.read().decode("latin-1"))


for path in PATHS:
    attempt(path, fetch, path)
