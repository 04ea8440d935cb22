"""The exit code is an object whose text tells of its use."""

import sys


class Code:
    def __str__(self):
        print("str")
        return "the text"

    def __del__(self):
        print("del code")


sys.exit(Code())
