"""`sys.stdout` is closed by the program."""

import atexit
import sys

print("end")
atexit.register(sys.stdout.close)
