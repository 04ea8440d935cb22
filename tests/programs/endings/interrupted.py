"""Nobody catches a Ctrl-C."""

import atexit


class A:
    def __del__(self):
        print("del")


a = A()
atexit.register(print, "atexit")
raise KeyboardInterrupt("text")
