"""Values of context variables."""

import contextvars


class A:
    def __init__(self, name):
        self.name = name

    def __del__(self):
        print("del", self.name)


variable = contextvars.ContextVar("variable", default=A("default"))
variable.set(A("value"))
print("end")
