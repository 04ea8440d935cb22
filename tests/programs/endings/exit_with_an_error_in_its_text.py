"""The exit code is an object without a text."""

import sys


class Code:
    def __str__(self):
        raise ValueError("no text")


print("end")
sys.exit(Code())
