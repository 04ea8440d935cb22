"""The program empties `sys.modules`."""

import sys


class A:
    def __del__(self):
        print("del")


a = A()
print("end")
sys.modules.clear()
