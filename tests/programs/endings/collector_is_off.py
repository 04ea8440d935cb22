"""The collector is off, and sees callbacks."""

import gc


class A:
    def __del__(self):
        print("del")


gc.disable()
a = A()
a.a = a
del a
gc.callbacks.append(lambda phase, info: print(phase, info["generation"]))
print("end")
