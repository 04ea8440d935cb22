"""What finalizers print arrives, without an end of the line too."""

import sys


class A:
    def __init__(self, text):
        self.text = text

    def __del__(self):
        sys.stdout.write(self.text)
        sys.stderr.write(self.text)


a, b = A("a"), A("b")
b.b = b
