"""A sandbox without any rule has no network at all. Arguments: a URL."""

from __future__ import annotations

import _socket
import os
import sys
import urllib.request

from report import attempt, emit

emit("_socket", getattr(_socket.__spec__, "origin", "stand-in"))
attempt("channel", os.write, -2, bytes(16))
attempt("urllib", lambda: urllib.request.urlopen(sys.argv[1], timeout=20).status)
