"""The program's module is another one at the end."""

import sys
from types import ModuleType


class A:
    def __init__(self, name):
        self.name = name

    def __del__(self):
        print("del", self.name)


a = A("first module")
other = ModuleType("__main__")
other.a = A("second module")
sys.modules["__main__"] = other
del other
print("end")
