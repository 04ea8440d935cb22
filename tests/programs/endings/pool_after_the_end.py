"""An executor takes no call in a function of `atexit`."""

import atexit
import concurrent.futures

pool = concurrent.futures.ThreadPoolExecutor(1)
pool.submit(print, "call").result()


@atexit.register
def late():
    try:
        pool.submit(print, "late call")
    except RuntimeError as error:
        print("RuntimeError", error)


print("end")
