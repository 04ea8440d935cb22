"""Errors in functions of `atexit` are written to stderr."""

import atexit
import sys

atexit.register(print, "first")
atexit.register(lambda: 1 / 0)
atexit.register(sys.exit, 7)
atexit.register(sys.exit, "text")
