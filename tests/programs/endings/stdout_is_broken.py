"""A pipe whose reader has gone is in the place of `sys.stdout`."""

import io
import sys


class Broken(io.RawIOBase):
    def writable(self):
        return True

    def write(self, data):
        raise BrokenPipeError(32, "Broken pipe")


sys.stdout = io.TextIOWrapper(io.BufferedWriter(Broken()))
print("lost")
