"""Threads that are not daemons end before the functions of `atexit`; daemons need not."""

import atexit
import sys
import threading
import time

atexit.register(print, "atexit")


def work():
    time.sleep(0.05)
    print("thread")


def leaves():
    sys.exit(9)


def fails():
    raise ValueError("in a thread")


threading.excepthook = lambda info: print("thread failed", info.exc_type.__name__)
for target in leaves, fails:
    thread = threading.Thread(target=target)
    thread.start()
    thread.join()
threading.Thread(target=work).start()
threading.Thread(target=time.sleep, args=(100,), daemon=True).start()
print("end")
