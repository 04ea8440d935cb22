"""`os._exit` in a finalizer, after the streams were flushed."""

import os


class A:
    def __del__(self):
        os._exit(6)


a = A()
print("end")
