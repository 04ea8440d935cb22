"""A function of `atexit` sees the exception that ended the program."""

import atexit
import sys


class Local:
    def __del__(self):
        print("del local")


def see():
    print("last", sys.last_type.__name__, sys.last_value, sys.last_traceback is not None)
    print("file", "__file__" in globals())


def fails():
    local = Local()
    raise LookupError(str(local is None))


atexit.register(see)
fails()
