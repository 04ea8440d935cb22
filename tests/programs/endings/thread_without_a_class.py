"""An error of a thread that has no object is reported, and ends nothing."""

import _thread
import sys
import time

seen = []
sys.unraisablehook = lambda info: seen.append(info.exc_value)


def work():
    raise ValueError("in a thread")


_thread.start_new_thread(work, ())
while not seen:
    time.sleep(0.001)
print("end", seen)
