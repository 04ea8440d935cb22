"""The calls of executors end before the functions of `atexit`."""

import atexit
import concurrent.futures
import time

atexit.register(print, "atexit")
pool = concurrent.futures.ThreadPoolExecutor(2)


def work(number):
    time.sleep(0.01)
    print("call", number)


first = pool.submit(work, 1)
first.result()
pool.submit(work, 2)
print("end")
