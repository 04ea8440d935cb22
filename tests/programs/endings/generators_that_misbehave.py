"""Generators that yield or raise when they are closed."""

import sys


def yields():
    try:
        yield
    finally:
        yield


def raises():
    try:
        yield
    finally:
        raise ValueError("in finally")


sys.unraisablehook = lambda info: print("unraisable", info.exc_type.__name__, info.exc_value)
one, two = yields(), raises()
next(one)
next(two)
print("end")
