"""Modules that the program makes and imports."""

import sys
from types import ModuleType


class A:
    def __init__(self, name):
        self.name = name

    def __del__(self):
        print("del", self.name)


for name in ("one", "two"):
    module = ModuleType(name)
    module.value = A(f"in {name}")
    module.module = module
    sys.modules[name] = module
odd = ModuleType("odd")
odd.value = A("in a module that is nowhere")
sys.modules["text"] = "no module"
sys.modules["none"] = None
here = A("here")
_here = A("private here")
del module
print("end")
