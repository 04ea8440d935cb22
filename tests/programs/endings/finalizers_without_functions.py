"""The names of a module without functions end one after the other."""

from collections import UserList as Base  # noqa: F401
from types import SimpleNamespace

A = type("A", (), {"__del__": lambda self: print("del", self.name)})
b = A()
b.name = "b"
a = A()
a.name = "a"
c = SimpleNamespace(x=A())
c.x.name = "c.x"
print("end")
