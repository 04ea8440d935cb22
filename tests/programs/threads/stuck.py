"""Waits that never end natively."""

import _thread
import queue
import threading
from concurrent.futures import Future, ThreadPoolExecutor


def lock_twice() -> None:
    lock = threading.Lock()
    lock.acquire()
    lock.acquire()


def raw_lock_twice() -> None:
    lock = _thread.allocate_lock()
    lock.acquire()
    with lock:
        pass


def join_a_waiting_thread() -> None:
    thread = threading.Thread(target=queue.Queue().get, daemon=True)
    thread.start()
    thread.join()


def wait_for_a_waiting_call() -> None:
    ThreadPoolExecutor().submit(threading.Event().wait).result()


for call in (
    lock_twice,
    raw_lock_twice,
    queue.Queue().get,
    queue.SimpleQueue().get,
    threading.Event().wait,
    threading.Semaphore(0).acquire,
    Future().result,
    join_a_waiting_thread,
    wait_for_a_waiting_call,
):
    try:
        call()
    except RuntimeError as error:
        print(type(error).__name__, isinstance(error, RuntimeError), error)
