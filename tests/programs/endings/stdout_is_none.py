"""There is no `sys.stdout`."""

import sys


class A:
    def __del__(self):
        print("finalizer")


a = A()
sys.stdout = None
print("lost")
