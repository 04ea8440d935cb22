"""ThreadPoolExecutor."""

import concurrent.futures
import queue
import threading
import time
from concurrent.futures import ThreadPoolExecutor

with ThreadPoolExecutor(4) as pool:
    futures = [pool.submit(pow, 2, n) for n in range(4)]
    print(sorted(future.result() for future in concurrent.futures.as_completed(futures)))
    print(list(pool.map(lambda n: n * n, range(5), timeout=10)))
    failed = pool.submit(divmod, 1, 0)
    print(type(failed.exception()).__name__)
    late = pool.submit(time.sleep, 0.3)
    try:
        late.result(timeout=0.05)
    except concurrent.futures.TimeoutError as error:
        print("too late", type(error).__name__, isinstance(error, TimeoutError))
    print(late.result(), late.done())
    done, pending = concurrent.futures.wait(futures, timeout=5)
    print(len(done), len(pending))
    print(pool.submit(lambda: pool.submit(pow, 3, 2).result()).result())

with ThreadPoolExecutor(2, thread_name_prefix="named") as pool:
    print(pool.submit(lambda: threading.current_thread().name).result()[:6])
    both: queue.Queue[str] = queue.Queue()
    first, second = pool.submit(both.get), pool.submit(both.put, "over")
    print(first.result(), second.result())

called = []
with ThreadPoolExecutor(1, initializer=called.append, initargs=("begun",)) as pool:
    future = pool.submit(pow, 2, 5)
    future.add_done_callback(lambda future: called.append(future.result()))
    future.result()
print(called)

pool = ThreadPoolExecutor(1)
running, waiting = pool.submit(time.sleep, 0.05), pool.submit(time.sleep, 0.05)
print(running.cancel(), waiting.cancel(), waiting.cancelled())
pool.shutdown()
print(running.done())
try:
    pool.submit(pow, 1, 1)
except RuntimeError as error:
    print(error)

polled = ThreadPoolExecutor().submit(pow, 2, 3)
while not polled.done():
    time.sleep(0.01)
print(polled.result())


def fail() -> None:
    raise ValueError("of the initializer")


import logging  # noqa: E402

logging.disable(logging.CRITICAL)
with ThreadPoolExecutor(1, initializer=fail) as pool:
    print(type(pool.submit(pow, 1, 1).exception()).__name__)
ThreadPoolExecutor().submit(print, "at the end")
