"""What `sys` holds of the program ends last, when nothing can be printed."""

import sys


class A:
    def __init__(self, name):
        self.name = name

    def __del__(self):
        print("del", self.name)
        sys.__stdout__.flush()


def hook(*arguments):
    print(a.name)


a = A("a")
sys.excepthook = hook
sys.own = A("in sys")
print("end")
