"""Fills the log with denials."""

import contextlib
import itertools
import socket

for number in itertools.count():
    with contextlib.suppress(OSError):
        socket.getaddrinfo(f"n{number}." + "x" * 50 + ".denied.test", 443)
    with contextlib.suppress(OSError):
        socket.create_connection(("192.0.2.1", number % 65535 + 1), 1)
