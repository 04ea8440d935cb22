"""Errors in functions of `atexit` go to the hook; the others run, and the exit code stays."""

import atexit
import sys

sys.unraisablehook = lambda info: print("unraisable", info.exc_type.__name__, info.exc_value)
atexit.register(print, "first")
atexit.register(lambda: 1 / 0)
atexit.register(sys.exit, 7)
atexit.register(print, "last")
sys.exit(3)
