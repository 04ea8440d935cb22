"""`sys.stdout` is another wrapper of the same buffer."""

import io
import sys

print("first")
sys.stdout = io.TextIOWrapper(sys.stdout.detach(), "utf-16-le", newline="\r\n")
print("second")
