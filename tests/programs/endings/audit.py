"""An audit hook sees how the program ends."""

import sys


def audit(event, arguments):
    if event.startswith(("sys.e", "sys.u")):
        print(event)


sys.addaudithook(audit)


class A:
    def __del__(self):
        raise ValueError("x")


a = A()
raise LookupError("y")
