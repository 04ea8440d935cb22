"""An exception without a text."""


class Odd(Exception):
    def __str__(self):
        raise ValueError("no text")


print("end")
raise Odd
