"""The file of `sys.stdout` is closed below it, so that its last line is lost."""

import os

print("flushed", flush=True)
print("lost")
os.close(1)
