"""Functions of `atexit` run in reverse, and those that they register do not."""

import atexit


@atexit.register
def first():
    print("first")
    atexit.register(print, "never")


@atexit.register
def second():
    print("second")
    atexit.unregister(third)


def third():
    print("third")


atexit.register(third)
atexit.register(print, "fourth", end="!\n")
atexit.register(print, "gone")
atexit.unregister(print)
atexit.register(print, "fifth")
print("end")
