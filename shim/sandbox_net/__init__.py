"""Stand-ins for CPython's C modules `_socket`, `_ssl` and `select` inside a sandbox.

CPython's own `socket.py`, `ssl.py` and everything above them run unmodified on these. They speak
to the host in frames on one file descriptor (`adapter/FRAMES.md`). The host decides about every
request, dials, and does TLS and HTTP; nothing in this package is a security boundary.
"""

__version__ = "0.1.0"
