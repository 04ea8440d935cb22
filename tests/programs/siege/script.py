"""Replaces what the next run's script would be."""

import contextlib
import os
import sys

if sys.argv[0] != "/run/script.py":
    sys.exit(f"ran as {sys.argv[0]}")
for _ in range(1000):
    for path in ("/run/script.py", "/run/other.py"):
        with contextlib.suppress(OSError):
            os.unlink(path)
        with contextlib.suppress(OSError):
            os.mkdir(path)
