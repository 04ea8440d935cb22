"""`os._exit` runs nothing and flushes nothing."""

import atexit
import os
import sys


class A:
    def __del__(self):
        print("never")


a = A()
atexit.register(print, "never")
print("flushed")
sys.stdout.flush()
print("lost")
os._exit(5)
