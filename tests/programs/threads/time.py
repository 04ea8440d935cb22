"""Threads that wait for time to pass."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

stop = threading.Event()
beats = []


def beat() -> None:
    while not stop.wait(0.02):
        beats.append(1)


thread = threading.Thread(target=beat, daemon=True)
thread.start()
time.sleep(0.15)
stop.set()
thread.join()
print(len(beats) > 2)

unwanted = threading.Timer(5, print, ("never",))
unwanted.start()
unwanted.cancel()
unwanted.join()

finished = []
thread = threading.Thread(target=lambda: (time.sleep(0.05), finished.append(1)))
thread.start()
while not finished:
    time.sleep(0.01)
print("finished")

event = threading.Event()
threading.Timer(0.05, event.set).start()
print(event.wait(5), event.wait(0))
print(threading.Event().wait(0.01))

slow = threading.Thread(target=time.sleep, args=(0.2,))
slow.start()
slow.join(timeout=0.01)
while slow.is_alive():
    slow.join(timeout=0.05)
print("joined")

lock = threading.Lock()
with lock:
    print(lock.locked(), lock.acquire(False), lock.acquire(timeout=0.01))
print(lock.locked(), repr(lock).split()[0])
try:
    lock.release()
except RuntimeError as error:
    print(error)
semaphore = threading.BoundedSemaphore(2)
print(semaphore.acquire(), semaphore.acquire(), semaphore.acquire(blocking=False))
condition = threading.Condition()
with condition:
    print(condition.wait(0.01), condition.wait_for(lambda: True))


class Named(threading.local):
    name = "unset"

    def __init__(self, name: str) -> None:
        self.name = name


local, named = threading.local(), Named("made")
local.value, named.name = 1, "of the main thread"
inside = []
thread = threading.Thread(
    target=lambda: (
        inside.append((hasattr(local, "value"), named.name)),
        setattr(local, "value", 2),
    )
)
thread.start()
thread.join()
print(inside, local.value, named.name)
with ThreadPoolExecutor(1) as pool:
    pool.submit(setattr, local, "value", 3).result()
    print(pool.submit(lambda: local.value).result(), local.value)
