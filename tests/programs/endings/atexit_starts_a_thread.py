"""A thread that a function of `atexit` starts, and one that was started before."""

import atexit
import threading


def start():
    print("atexit")
    try:
        thread = threading.Thread(target=print, args=("late thread",))
        thread.start()
        thread.join()
    except RuntimeError:
        print("RuntimeError")


atexit.register(start)
threading.Thread(target=print, args=("thread",)).start()
