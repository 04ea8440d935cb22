"""Errors in finalizers go to the hook, and change nothing else."""

import sys


class Raises:
    def __init__(self, error):
        self.error = error

    def __del__(self):
        raise self.error


sys.unraisablehook = lambda info: print("unraisable", info.exc_type.__name__, info.exc_value)
a = Raises(ValueError("a"))
b = Raises(SystemExit(7))
c = Raises(KeyboardInterrupt())
print("end")
