"""A server whose informational responses never end. Arguments: base URL of the raw server.

CPython's own ``http.client`` reads them without end, so only the sandbox runs this.
"""

from __future__ import annotations

import sys
import urllib.request

from report import attempt


def fetch(path: str) -> object:
    with urllib.request.urlopen(sys.argv[1] + path) as response:
        return [response.status, response.read().decode()]


attempt("endless", fetch, "/endless-informational")
attempt("after it", fetch, "/ok")
