"""A `ThreadPool` that nobody closed."""

import atexit
from multiprocessing.pool import ThreadPool

atexit.register(print, "atexit")
pool = ThreadPool(2)
print(pool.map(abs, [-1, -2]))
print("end")
