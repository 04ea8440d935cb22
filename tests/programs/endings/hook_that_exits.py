"""`sys.excepthook` exits."""

import sys


def hook(kind, error, trace):
    print("hook")
    sys.exit(8)


sys.excepthook = hook
raise ValueError("original")
