"""A sandbox without any rule has no network at all. Arguments: a URL."""

from __future__ import annotations

import os
import socket
import sys
import urllib.request

from report import attempt

attempt("channel", os.write, -2, bytes(16))
attempt("getaddrinfo", lambda: len(socket.getaddrinfo("example.com", 80)))
attempt("connect", lambda: socket.create_connection(("127.0.0.1", 9)))
attempt("urllib", lambda: urllib.request.urlopen(sys.argv[1], timeout=20).status)
