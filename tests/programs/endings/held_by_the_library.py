"""An object that modules of the library hold, and one in the place of a module."""

import os
import sys


class A:
    def __init__(self, name):
        self.name = name

    def __del__(self):
        print("del", self.name)


class B:
    def __del__(self):
        print("del in os")


os.own = B()
sys.modules["made-up"] = A("in sys.modules")
print("end")
