"""There is no `sys.excepthook`."""

import sys

del sys.excepthook
print("end")
raise ValueError("original")
