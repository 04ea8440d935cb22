"""Warnings of files that were not closed, as the program asked for them."""

import warnings


def show(message, category, filename, lineno, file=None, line=None):
    print("warned", category.__name__, str(message).split()[0])


warnings.simplefilter("always")
warnings.showwarning = show


def leave():
    file = open("warned.tmp", "w")
    file.write("x")


leave()
left = open("warned.tmp")
print("end")
