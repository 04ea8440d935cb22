"""What `multiprocessing` and `subprocess` register runs."""

import atexit
import multiprocessing.util
import subprocess  # noqa: F401

atexit.register(print, "atexit")
multiprocessing.util.Finalize(None, print, ("finalize",), exitpriority=10)
multiprocessing.util.Finalize(None, print, ("finalize first",), exitpriority=20)
print("end")
