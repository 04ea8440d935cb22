"""A function of `atexit` ends the process; nothing else happens."""

import atexit
import os
import sys

atexit.register(print, "never")
atexit.register(os._exit, 9)
atexit.register(sys.stdout.flush)
print("end", end="")
sys.exit(3)
