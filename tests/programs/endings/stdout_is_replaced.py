"""`sys.stdout` is an object of the program, which is flushed twice if it lives so long."""

import io
import sys


class Out(io.StringIO):
    def flush(self):
        sys.__stdout__.write("flush\n")

    def __del__(self):
        sys.__stdout__.write(f"del {self.getvalue()!r}\n")


class Prints:
    def __del__(self):
        print("finalizer")


prints = Prints()
sys.stdout = Out()
print("text")
