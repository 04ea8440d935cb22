"""The local variables of what calls `sys.exit` end before the functions of `atexit`."""

import atexit
import sys


class Local:
    def __del__(self):
        print("del local")


def leave():
    local = Local()
    try:
        sys.exit(4 if local else 5)
    finally:
        print("finally")


atexit.register(print, "atexit")
leave()
