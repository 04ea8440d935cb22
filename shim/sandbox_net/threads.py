"""Threads in an interpreter that has none: they run in line, when the program waits.

A build for WASI cannot start a thread. `Thread.start` makes it pending instead (`cooperation`), and
any wait runs it. A wait that nobody can end is an error and not a hang.
"""

import _thread
import contextvars
import queue
import sys
import threading
import time
from collections.abc import Callable
from typing import Any, Final

from . import cooperation, resumable, rlock, thread_locals, uncaught
from .cooperation import GivenUp, Work
from .unsupported import Stuck

_WORK: Final = "_sandbox_net_work"
_stock: Final[dict[str, Any]] = {
    name: getattr(threading.Thread, name) for name in ("join", "is_alive")
}
_stock_put: Final[Any] = queue.Queue.put
_stock_shutdown: Final[Any] = getattr(threading, "_shutdown", None)
_allocate: Final = _thread.allocate_lock


def _nothing() -> None:
    pass


def _try_to_start() -> bool:
    try:
        _thread.start_new_thread(_nothing, ())
    except RuntimeError:
        return False
    return True


_CAN_START: Final = _try_to_start()


def can_start() -> bool:
    """Whether this interpreter can start threads."""
    return _CAN_START


def changes() -> tuple[tuple[Any, str, object], ...]:
    """Lists what is replaced in which module or class, and by what."""
    return (
        (threading.Thread, "start", start),
        (threading.Thread, "join", join),
        (threading.Thread, "is_alive", is_alive),
        (threading.Condition, "wait", wait_on_condition),
        (threading, "Lock", Lock),
        (threading, "RLock", rlock.RLock),
        (threading, "local", thread_locals.local),
        (threading.Event, "is_set", is_set),
        (queue.Queue, "put", put),
        (queue.Queue, "empty", is_empty),
        (queue.Queue, "qsize", size),
        (threading, "_shutdown", shut_down),
        (_thread, "start_new_thread", start_new_thread),
        # The names of one and the same, in the versions of CPython that have them.
        (_thread, "allocate_lock", Lock),
        (_thread, "allocate", Lock),
        (_thread, "lock", Lock),
        (_thread, "LockType", Lock),
        # The one written in C waits in C.
        (queue, "SimpleQueue", getattr(queue, "_PySimpleQueue", queue.SimpleQueue)),
        (time, "sleep", cooperation.sleep),
    )


def do_without() -> None:
    """Makes the changes that this module lists."""
    for holder, name, replacement in changes():
        if hasattr(holder, name):
            setattr(holder, name, replacement)
    if put_thread not in cooperation.around:
        cooperation.around += [thread_locals.put_data, put_thread]


class Lock:
    """A lock. Waiting for one whose holder cannot run is an error."""

    __slots__ = ("__exit__", "__weakref__", "_try", "locked", "release")

    def __init__(self) -> None:
        lock = _allocate()
        self._try = lock.acquire
        self.locked = lock.locked
        self.release = lock.release
        self.__exit__ = lock.__exit__

    def acquire(self, blocking: bool = True, timeout: float = -1) -> bool:
        """Takes the lock; returns false if it is held and waiting is not allowed."""
        if self._try(False):
            return True
        if not blocking or timeout != -1:
            if not blocking or not timeout > 0:
                return self._try(blocking, timeout)
            cooperation.wait(self._is_free, timeout)
            return self._try(False)
        what = "waiting for a lock that nobody can release"
        while not self._try(False):
            # Its holder releases it soon, unless it can do nothing more.
            cooperation.wait(self._is_free, what=what, sleeps=True)
        return True

    acquire_lock = acquire

    def __enter__(self) -> bool:
        return self._try(False) or self.acquire()

    def _is_free(self) -> bool:
        return not self.locked()

    def _at_fork_reinit(self) -> None:
        self.__init__()  # type: ignore[misc]

    def __repr__(self) -> str:
        state = "locked" if self.locked() else "unlocked"
        return f"<{state} _thread.lock object at {id(self):#x}>"


class ThreadWork(Work):
    """A started thread."""

    def __init__(self, thread: threading.Thread) -> None:
        self.thread = thread
        self.name = f"thread {thread.name!r}"
        self.is_daemon = thread.daemon
        self.outlives = not thread.daemon
        self.is_done = self.is_begun = self.was_asked_for = False
        self.again: Callable[[], object] = thread.run
        self.begins_again: Callable[[], float] | None = None
        self._going: resumable.Going | None = None
        self.idle_at = getattr(thread, "_sandbox_net_idle_at", None)
        if self.idle_at is not None:
            self.begins_again = lambda: thread._sandbox_net_due()  # type: ignore[attr-defined]

    def due(self) -> float:
        if self.is_midway and self._going is not None:
            return self._going.due()
        return 0.0 if self.begins_again is None else self.begins_again()

    def can_be_left(self) -> bool:
        if self._going is None and self.begins_again is None and not self.is_begun:
            self._going = resumable.begin(self.again)
            self.is_begun = True
        return self._going is not None

    def _go_on(self) -> None:
        """Runs the thread to its next wait, or to its end if its frames cannot be suspended."""
        if not self.can_be_left() or self._going is None:
            contextvars.Context().run(self.again)
        else:
            self.is_midway = self._going.go_on()

    def run(self) -> None:
        threading._limbo.pop(self.thread, None)  # type: ignore[attr-defined]
        self.is_done, self.is_midway = True, False
        try:
            self._go_on()
            if self.is_midway:
                self.is_done = False
                cooperation.standing.append(self)
                # It is still alive, although it does not run.
                threading._limbo[self.thread] = self.thread  # type: ignore[attr-defined]
        except GivenUp as given_up:
            self._going = None
            self._give_up(given_up)
        except BaseException:
            self.thread._invoke_excepthook(self.thread)  # type: ignore[attr-defined]

    def _tell(self) -> None:
        """Reports at the end of the program that this thread would delay it."""
        try:
            raise Stuck(f"sandbox-net: there are no threads, and {self.name} would wait for ever")
        except Stuck:
            self.thread._invoke_excepthook(self.thread)  # type: ignore[attr-defined]

    def _give_up(self, given_up: GivenUp) -> None:
        loop = given_up.loop
        if loop is not None and not loop.is_closed():
            self.again, self.begins_again = loop.run_forever, lambda: _due(loop)
        if self.begins_again is not None:
            self.is_done = False
            cooperation.standing.append(self)
        elif given_up.is_deadlock:
            self.is_done = False
            if not self.is_daemon and not cooperation.is_waiting():
                self._tell()


def _due(loop: Any) -> float:
    """Returns how long it is until a loop that was given up has something to do."""
    if loop._ready or cooperation.has_files(loop):
        return 0.0
    if not loop._scheduled:
        return float("inf")
    left: float = loop._scheduled[0]._when - loop.time()
    return max(0.0, left)


def put_thread(work: Work) -> Callable[[], None]:
    """Makes the thread of `work` the current one."""
    thread = getattr(work, "thread", None)
    if thread is None:
        return _nothing
    active: dict[int, Any] = threading._active  # type: ignore[attr-defined]
    ident = _thread.get_ident()
    outer = active.get(ident)
    active[ident] = thread
    thread._ident = ident

    def restore() -> None:
        if outer is None:
            active.pop(ident, None)
        else:
            active[ident] = outer

    return restore


def start(self: threading.Thread) -> None:
    """Makes the thread pending."""
    if not getattr(self, "_initialized", False):
        raise RuntimeError("thread.__init__() not called")
    if self._started.is_set():  # type: ignore[attr-defined]
        raise RuntimeError("threads can only be started once")
    threading._limbo[self] = self  # type: ignore[attr-defined]
    self._started.set()  # type: ignore[attr-defined]
    work = ThreadWork(self)
    setattr(self, _WORK, work)
    cooperation.add(work)


def is_alive(self: threading.Thread) -> bool:
    """Whether the thread has not ended."""
    work = getattr(self, _WORK, None)
    if work is None:
        return bool(_stock["is_alive"](self))
    if not work.is_done and work.was_asked_for:  # a program that asks again waits for it
        cooperation.run_next()
    work.was_asked_for = True
    return _is_going_on(work)


def _is_going_on(work: ThreadWork) -> bool:
    return not work.is_done or work in cooperation.running


def join(self: threading.Thread, timeout: float | None = None) -> None:
    """Waits for the end of the thread, and runs it meanwhile."""
    work = getattr(self, _WORK, None)
    if work is None and self is not threading.main_thread():
        _stock["join"](self, timeout)
        return
    if self is threading.current_thread():
        raise RuntimeError("cannot join current thread")
    if timeout is not None:
        timeout = max(timeout, 0.0)
    what = f"waiting for the end of thread {self.name!r}"
    cooperation.wait(lambda: work is not None and not _is_going_on(work), timeout, what)


class _CallWork(Work):
    is_daemon = True
    outlives = False

    def __init__(self, function: Callable[..., object], args: Any, kwargs: Any) -> None:
        self._call = (function, args, kwargs)

    def run(self) -> None:
        function, args, kwargs = self._call
        try:
            contextvars.Context().run(function, *args, **kwargs)
        except (GivenUp, SystemExit):
            pass
        except BaseException as error:
            uncaught.strip(error, {__file__})
            text = f"Exception ignored in thread started by {function!r}"
            uncaught.unraisable(text, error)


def start_new_thread(
    function: Callable[..., object], args: tuple[Any, ...], kwargs: dict[str, Any] | None = None, /
) -> int:
    """Makes a call pending."""
    cooperation.add(_CallWork(function, args, kwargs or {}))
    return _thread.get_ident()


def wait_on_condition(self: threading.Condition, timeout: float | None = None) -> bool:
    """As CPython's; pending work runs meanwhile."""
    if not self._is_owned():  # type: ignore[attr-defined]
        raise RuntimeError("cannot wait on un-acquired lock")
    if cooperation.running and cooperation.running[-1].idle_at is self:
        raise GivenUp(False)
    waiter = _allocate()
    waiter.acquire()
    waiters: Any = self._waiters  # type: ignore[attr-defined]
    waiters.append(waiter)
    saved = self._release_save()  # type: ignore[attr-defined]
    is_met = False
    try:
        is_met = cooperation.wait(lambda: not waiter.locked(), timeout)
        return is_met
    finally:
        self._acquire_restore(saved)  # type: ignore[attr-defined]
        if not is_met and waiter in waiters:
            waiters.remove(waiter)


def is_set(self: threading.Event) -> bool:
    """As CPython's. If a program asks again and again without a wait, threads continue."""
    if not self._flag and cooperation.is_busy():  # type: ignore[attr-defined]
        cooperation.note_asking(self)
    return bool(self._flag)  # type: ignore[attr-defined]


def is_empty(self: "queue.Queue[Any]") -> bool:
    """As CPython's, with the additions of `is_set`."""
    return not size(self)


def size(self: "queue.Queue[Any]") -> int:
    """As CPython's, with the additions of `is_set`."""
    if cooperation.is_busy():
        cooperation.note_asking(self)
    with self.mutex:
        return self._qsize()


def put(
    self: "queue.Queue[Any]", item: Any, block: bool = True, timeout: float | None = None
) -> None:
    """As CPython's, unless the queue is full and somebody could make room.

    A consumer whose frames cannot be suspended could not wait for the next item after this one, so
    the item is let in at once.
    """
    if block and 0 < self.maxsize <= self._qsize() and cooperation.could_lose():
        with self.not_full:
            if not getattr(self, "is_shutdown", False):
                self._put(item)
                self.unfinished_tasks += 1
                self.not_empty.notify()
                return
    _stock_put(self, item, block, timeout)


def shut_down() -> None:
    """Waits at the end of the program for threads that are not daemons, and for calls of pools."""
    try:
        cooperation.run_all(lambda work: work.outlives)
    except Stuck:
        sys.excepthook(*sys.exc_info())
    _stock_shutdown()
