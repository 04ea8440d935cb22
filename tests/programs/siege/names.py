"""Sends data to a name server, name by name."""

import contextlib
import itertools
import socket

for number in itertools.count():
    with contextlib.suppress(OSError):
        socket.getaddrinfo(f"n{number}.flood.test", 80)
