"""The waits of threads that can be suspended: CPython's functions, with `yield` for a wait."""

import queue
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, Final

from . import cooperation, pools, resumable, rlock, threads
from .cooperation import Request
from .resumable import Steps, call, call_first, value

_DONE: Final = ("FINISHED", "CANCELLED", "CANCELLED_AND_NOTIFIED")


def register() -> None:
    """Registers them with `resumable`, by the functions that they replace."""
    simple: Any = queue.SimpleQueue
    resumable.waits.update(
        {
            cooperation.sleep: sleep,
            threads.Lock.acquire: acquire,
            rlock.RLock.acquire: acquire_again,
            threads.join: join,
            threads.wait_on_condition: wait_on_condition,
            threads.put: put,
            threading.Condition.wait_for: wait_for,
            threading.Event.wait: wait_for_event,
            threading.Semaphore.acquire: acquire_semaphore,
            threading.Barrier.wait: wait_at_barrier,
            threading.Thread.run: run_thread,
            threading.Timer.run: run_timer,
            queue.Queue.get: get,
            queue.Queue.join: join_queue,
            pools.result: result,
            pools.exception: exception,
        }
    )
    if hasattr(simple, "_queue") or simple.__module__ == "queue":
        resumable.waits[simple.get] = get_simple
    for kind in (threading.Semaphore, threading.BoundedSemaphore):
        resumable.enters[kind] = lambda manager: _until(lambda: manager._value > 0)
    resumable.enters[threads.Lock] = lambda manager: _until(manager._is_free)
    resumable.enters[rlock.RLock] = lambda manager: acquirable(manager)
    resumable.enters[threading.Condition] = lambda manager: _enter_lock(manager._lock)


def _until(is_met: Callable[[], bool], timeout: float | None = None) -> Steps:
    while not is_met():
        if not (yield Request(is_met, timeout)):
            return False
    return True


def _enter_lock(lock: Any) -> Steps:
    wait = resumable.enters.get(type(lock))
    if wait is not None:
        yield from wait(lock)


def sleep(seconds: float) -> Steps:
    """As `time.sleep`."""
    if not isinstance(seconds, int | float) or not seconds >= 0:
        cooperation.stock_sleep(seconds)
    end = time.monotonic() + seconds
    yield Request(lambda: time.monotonic() >= end, seconds)


def acquire(self: threads.Lock, blocking: bool = True, timeout: float = -1) -> Steps:
    """As `Lock.acquire`."""
    if not blocking or not (timeout == -1 or timeout > 0):
        return self.acquire(blocking, timeout)
    end = None if timeout == -1 else time.monotonic() + timeout
    while not self.acquire(False):
        left = None if end is None else end - time.monotonic()
        if left is not None and left <= 0:
            return False
        yield Request(self._is_free, left)
    return True


def acquirable(self: rlock.RLock, timeout: float | None = None) -> Steps:
    """Waits until the current thread can take the lock."""
    me = threading.current_thread()
    while self._count and self._owner is not me and not self._is_further_out():
        if not (yield Request(self._is_free, timeout)):
            return False
    return True


def acquire_again(self: rlock.RLock, blocking: bool = True, timeout: float = -1) -> Steps:
    """As `RLock.acquire`."""
    if blocking and (timeout == -1 or timeout > 0):
        yield from acquirable(self, None if timeout == -1 else timeout)
        blocking, timeout = timeout == -1, -1
    return self.acquire(blocking, timeout)


def wait_on_condition(self: Any, timeout: float | None = None) -> Steps:
    """As `Condition.wait`."""
    if not self._is_owned():
        raise RuntimeError("cannot wait on un-acquired lock")
    waiter = threads._allocate()
    waiter.acquire()
    self._waiters.append(waiter)
    saved = self._release_save()
    is_met = False
    try:
        if timeout is None or timeout > 0:
            is_met = yield Request(lambda: not waiter.locked(), timeout)
        return is_met
    finally:
        yield from _enter_lock(self._lock)
        self._acquire_restore(saved)
        if not is_met and waiter in self._waiters:
            self._waiters.remove(waiter)


def wait_for(self: Any, predicate: Callable[[], Any], timeout: float | None = None) -> Steps:
    """As `Condition.wait_for`."""
    end = None if timeout is None else time.monotonic() + timeout
    result = value((yield from call(predicate)))
    while not result:
        left = None if end is None else end - time.monotonic()
        if left is not None and left <= 0:
            break
        yield from call(self.wait, left)
        result = value((yield from call(predicate)))
    return result


def wait_for_event(self: Any, timeout: float | None = None) -> Steps:
    """As `Event.wait`."""
    with self._cond:
        signaled = self._flag
        if not signaled:
            signaled = yield from wait_on_condition(self._cond, timeout)
        return signaled


def acquire_semaphore(self: Any, blocking: bool = True, timeout: float | None = None) -> Steps:
    """As `Semaphore.acquire`."""
    if not blocking or self._value > 0:
        return self.acquire(blocking, timeout)
    end = None if timeout is None else time.monotonic() + timeout
    with self._cond:
        while self._value == 0:
            left = None if end is None else end - time.monotonic()
            if left is not None and left <= 0:
                return False
            yield from wait_on_condition(self._cond, left)
        self._value -= 1
    return True


def wait_at_barrier(self: Any, timeout: float | None = None) -> Steps:
    """As `Barrier.wait`."""
    if timeout is None:
        timeout = self._timeout
    with self._cond:
        while self._state in (-1, 1):
            yield from wait_on_condition(self._cond)
        self._enter()
        index = self._count
        self._count += 1
        try:
            if index + 1 == self._parties:
                self._release()
                return index
            if not (yield from wait_for(self._cond, lambda: self._state != 0, timeout)):
                self._break()
                raise threading.BrokenBarrierError
            if self._state < 0:
                raise threading.BrokenBarrierError
            return index
        finally:
            self._count -= 1
            self._exit()


def run_thread(self: Any) -> Steps:
    """As `Thread.run`."""
    try:
        if self._target is not None:
            yield from call_first(self._target, tuple(self._args), dict(self._kwargs))
    finally:
        del self._target, self._args, self._kwargs


def run_timer(self: Any) -> Steps:
    """As `Timer.run`."""
    yield from wait_for_event(self.finished, self.interval)
    if not self.finished.is_set():
        yield from call_first(self.function, tuple(self.args), dict(self.kwargs))
    self.finished.set()


def get(self: Any, block: bool = True, timeout: float | None = None) -> Steps:
    """As `Queue.get`."""
    if not block or (timeout is not None and timeout < 0):
        return self.get(block, timeout)
    end = None if timeout is None else time.monotonic() + timeout
    yield from _enter_lock(self.mutex)
    with self.not_empty:
        while not self._qsize():
            if getattr(self, "is_shutdown", False):
                raise queue.ShutDown  # type: ignore[attr-defined]
            left = None if end is None else end - time.monotonic()
            if left is not None and left <= 0:
                raise queue.Empty
            yield from wait_on_condition(self.not_empty, left)
        item = self._get()
        self.not_full.notify()
        return item


def put(self: Any, item: Any, block: bool = True, timeout: float | None = None) -> Steps:
    """As `Queue.put`."""
    if block and self.maxsize > 0 and (timeout is None or timeout >= 0):
        end = None if timeout is None else time.monotonic() + timeout
        yield from _enter_lock(self.mutex)
        with self.not_full:
            while self._qsize() >= self.maxsize and not getattr(self, "is_shutdown", False):
                left = None if end is None else end - time.monotonic()
                if left is not None and left <= 0:
                    raise queue.Full
                yield from wait_on_condition(self.not_full, left)
    return threads._stock_put(self, item, block, timeout)


def join_queue(self: Any) -> Steps:
    """As `Queue.join`."""
    yield from _enter_lock(self.mutex)
    with self.all_tasks_done:
        while self.unfinished_tasks:
            yield from wait_on_condition(self.all_tasks_done)


def get_simple(self: Any, block: bool = True, timeout: float | None = None) -> Steps:
    """As `SimpleQueue.get`."""
    if timeout is not None and timeout < 0:
        raise ValueError("'timeout' must be a non-negative number")
    if not (yield from acquire_semaphore(self._count, block, timeout)):
        raise queue.Empty
    return self._queue.popleft()


def join(self: threading.Thread, timeout: float | None = None) -> Steps:
    """As `Thread.join`."""
    if self is threading.current_thread():
        raise RuntimeError("cannot join current thread")
    work = getattr(self, threads._WORK, None)
    if work is not None:
        yield Request(lambda: not threads._is_going_on(work), timeout)
    elif self is threading.main_thread():
        yield Request(lambda: False, timeout)
    else:
        threads.join(self, timeout)


def result(self: Future[Any], timeout: float | None = None) -> Steps:
    """As `Future.result`."""
    yield from _until_done(self, timeout)
    return pools._stock_result(self, timeout)


def exception(self: Future[Any], timeout: float | None = None) -> Steps:
    """As `Future.exception`."""
    yield from _until_done(self, timeout)
    return pools._stock_exception(self, timeout)


def _until_done(future: Future[Any], timeout: float | None) -> Steps:
    if future._state not in _DONE:
        is_met = yield Request(lambda: future._state in _DONE, timeout)
        if not is_met:
            raise TimeoutError
