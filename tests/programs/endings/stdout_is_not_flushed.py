"""`sys.stdout` cannot be flushed."""

import sys


class Out:
    closed = False

    def write(self, text):
        return len(text)

    def flush(self):
        raise OSError("cannot flush")


sys.stdout = Out()
print("lost")
sys.exit(3)
