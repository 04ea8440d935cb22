"""Pools of threads: their calls run in line, when somebody waits for a result.

A call counts as running as soon as a thread of the pool would have taken it. From then on it cannot
be cancelled.
"""

import concurrent.futures
import contextvars
import multiprocessing.pool
import queue
import threading
from asyncio.base_events import BaseEventLoop
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures.thread import BrokenThreadPool
from multiprocessing.pool import ApplyResult, ThreadPool
from typing import Any, Final, TypeVar

from . import cooperation, resumable
from .cooperation import GivenUp, Work
from .unsupported import Stuck

_T = TypeVar("_T")
_OWN: Final = "_sandbox_net_own"
# Its calls are for other interpreters, so they cannot run in this one.
_INTERPRETERS: Final = getattr(concurrent.futures, "InterpreterPoolExecutor", ())
_DONE: Final = ("FINISHED", "CANCELLED", "CANCELLED_AND_NOTIFIED")

_stock_init = ThreadPoolExecutor.__init__
_stock_submit = ThreadPoolExecutor.submit
_stock_shutdown = ThreadPoolExecutor.shutdown
_stock_result: Final[Any] = Future.result
_stock_exception: Final[Any] = Future.exception
_stock_get: Final[Any] = ApplyResult.get
_stock_done: Final[Any] = Future.done


def changes() -> tuple[tuple[Any, str, object], ...]:
    """Lists what is replaced in which class, and by what."""
    return (
        (ThreadPoolExecutor, "__init__", init),
        (ThreadPoolExecutor, "submit", submit),
        (ThreadPoolExecutor, "shutdown", shut_down),
        (Future, "result", result),
        (Future, "exception", exception),
        (Future, "done", is_done),
        (BaseEventLoop, "shutdown_default_executor", shut_down_default_executor),
        (ApplyResult, "get", get_result),
        (ThreadPool, "__init__", init_thread_pool),
        (ThreadPool, "close", close_thread_pool),
        (ThreadPool, "terminate", terminate_thread_pool),
        (ThreadPool, "join", join_thread_pool),
    )


def do_without() -> None:
    """Makes the changes that this module lists."""
    for holder, name, replacement in changes():
        setattr(holder, name, replacement)


class _Own:
    """The additional state of an executor."""

    def __init__(self, initializer: Callable[..., object] | None, initargs: tuple[Any, ...]):
        self.initializer = initializer
        self.initargs = initargs
        self.waiting: list[_Call] = []
        self.threads: dict[int, threading.Thread] = {}
        self.begun = 0
        # The calls under way, by the number of their thread.
        self.busy: dict[int, Work] = {}

    def take_thread(self, pool: ThreadPoolExecutor, work: Work) -> threading.Thread:
        """Returns the thread for a call: the first that has none."""
        number = next(number for number in range(len(self.busy) + 1) if number not in self.busy)
        self.busy[number] = work
        if number not in self.threads:
            prefix = pool._thread_name_prefix
            self.threads[number] = threading.Thread(name=f"{prefix}_{number}")
        return self.threads[number]

    def leave_thread(self, work: Work) -> None:
        """Notes that the call is over."""
        self.busy = {number: each for number, each in self.busy.items() if each is not work}


class _Call(Work):
    """A call of an executor."""

    is_patient = True

    def __init__(self, pool: ThreadPoolExecutor, own: _Own, call: Any) -> None:
        self.pool, self.own = pool, own
        self.call: Any = call
        self._going: resumable.Going | None = None
        self._thread: threading.Thread | None = None
        self.future: Future[Any] = Future()
        setattr(self.future, _OWN, self)
        self.name = f"a call of {getattr(call[0], '__qualname__', type(call[0]).__name__)}"

    @property
    def thread(self) -> threading.Thread:
        """Returns the thread that the call runs in."""
        if self._thread is None:
            self._thread = self.own.take_thread(self.pool, self)
        return self._thread

    def may_begin(self) -> bool:
        # Calls that wait for a server in place keep their thread, as suspended ones do.
        return self not in self.own.waiting or len(self.own.busy) < self.pool._max_workers

    def can_be_left(self) -> bool:
        if self._going is None and self.call is not None:
            self._going = resumable.begin(*self.call)
            if self._going is not None:
                self.call = None
        return self._going is not None

    def due(self) -> float:
        return self._going.due() if self.is_midway and self._going is not None else 0.0

    def begin(self) -> None:
        """Begins, as when a thread takes the call."""
        if self.future.set_running_or_notify_cancel():
            self.own.begun += 1

    def run(self) -> None:
        self.is_midway = False
        if self.future._state == "PENDING":
            self.begin()
        if self in self.own.waiting:
            self.own.waiting.remove(self)
        if self.future._state in _DONE:
            self.own.leave_thread(self)
            return
        try:
            value = self._go_on()
        except GivenUp:
            why = f"sandbox-net: there are no threads, and {self.name} could only wait"
            self.future.set_exception(Stuck(why))
        except BaseException as error:
            self.future.set_exception(error)
        else:
            if self.is_midway:
                cooperation.standing.append(self)
                return
            self.future.set_result(value)
        finally:
            if not self.is_midway:
                self._end()

    def _go_on(self) -> Any:
        if self.can_be_left() and self._going is not None:
            self.is_midway = self._going.go_on()
            return self._going.value
        (function, args, kwargs), self.call = self.call, None
        return contextvars.Context().run(function, *args, **kwargs)

    def _end(self) -> None:
        self._going = None
        self.own.leave_thread(self)
        self.own.begun -= 1
        for call in tuple(self.own.waiting):
            if self.own.begun < self.pool._max_workers:
                self.own.waiting.remove(call)
                call.begin()


class _Initializer(Work):
    """The initializer of a pool, which runs first."""

    def __init__(self, pool: ThreadPoolExecutor, own: _Own, call: Any) -> None:
        self.pool, self.own, self.call = pool, own, call

    @property
    def thread(self) -> threading.Thread:
        """Returns the thread that it runs in."""
        thread = self.own.take_thread(self.pool, self)
        self.own.leave_thread(self)
        return thread

    def run(self) -> None:
        function, args = self.call
        try:
            contextvars.Context().run(function, *args)
        except BaseException:
            concurrent.futures._base.LOGGER.critical("Exception in initializer:", exc_info=True)
            text = "A thread initializer failed, the thread pool is not usable anymore"
            pool: Any = self.pool
            pool._broken = text
            for work in tuple(cooperation.pending):
                if isinstance(work, _Call) and work.own is self.own:
                    cooperation.pending.remove(work)
                    if work.future._state != "CANCELLED":
                        work.future.set_exception(BrokenThreadPool(text))


def init(
    self: ThreadPoolExecutor,
    max_workers: int | None = None,
    thread_name_prefix: str = "",
    initializer: Callable[..., object] | None = None,
    initargs: tuple[Any, ...] = (),
    **more: Any,
) -> None:
    """Keeps the initializer, which runs before the first call."""
    _stock_init(self, max_workers, thread_name_prefix, initializer, initargs, **more)
    setattr(self, _OWN, _Own(initializer, initargs))


def submit(
    self: ThreadPoolExecutor, fn: Callable[..., _T], /, *args: Any, **kwargs: Any
) -> Future[_T]:
    """Makes a call pending."""
    own: _Own | None = getattr(self, _OWN, None)
    if own is None or isinstance(self, _INTERPRETERS):
        return _stock_submit(self, fn, *args, **kwargs)
    if self._broken:
        raise BrokenThreadPool(self._broken)
    if self._shutdown or concurrent.futures.thread._shutdown:
        # A thread of the pool notes at the end of the interpreter that the pool has ended.
        when = "shutdown" if self._shutdown or own.threads else "interpreter shutdown"
        raise RuntimeError(f"cannot schedule new futures after {when}")
    if own.initializer is not None:
        cooperation.add(_Initializer(self, own, (own.initializer, own.initargs)))
        own.initializer = None
    call = _Call(self, own, (fn, args, kwargs))
    if own.begun < self._max_workers:
        call.begin()
    else:
        own.waiting.append(call)
    cooperation.add(call)
    return call.future


def shut_down(self: ThreadPoolExecutor, wait: bool = True, *, cancel_futures: bool = False) -> None:
    """As CPython's; its calls run now if they are waited for."""
    own: _Own | None = getattr(self, _OWN, None)
    if own is not None:
        if cancel_futures:
            for call in tuple(own.waiting):
                call.future.cancel()
        if wait:  # natively calls would have begun by now, and may submit others
            cooperation.run_all(lambda work: getattr(work, "own", None) is own)
    _stock_shutdown(self, wait, cancel_futures=cancel_futures)


def _wait_for(future: Future[Any], timeout: float | None) -> None:
    if timeout is None or future._state in _DONE or not cooperation.is_busy():
        return
    if not cooperation.wait(lambda: future._state in _DONE, timeout):
        raise TimeoutError


def result(self: Future[_T], timeout: float | None = None) -> _T:
    """As CPython's, also if the call ended but took too long."""
    _wait_for(self, timeout)
    value: _T = _stock_result(self, timeout)
    return value


def exception(self: Future[Any], timeout: float | None = None) -> BaseException | None:
    """As CPython's, also if the call ended but took too long."""
    _wait_for(self, timeout)
    error: BaseException | None = _stock_exception(self, timeout)
    return error


def is_done(self: Future[Any]) -> bool:
    """Whether there is a result. Asking lets the call run: nothing else would."""
    call = getattr(self, _OWN, None)
    is_left = call in cooperation.pending or call in cooperation.standing
    while self._state not in _DONE and is_left and cooperation.run_next():
        is_left = call in cooperation.pending
    return bool(_stock_done(self))


async def shut_down_default_executor(self: Any, timeout: float | None = None) -> None:
    """Ends the loop's executor; pending calls run to their end."""
    self._executor_shutdown_called = True
    if self._default_executor is not None:
        self._default_executor.shutdown(wait=True)


class _Tasks(Work):
    """The tasks of one call of a `ThreadPool`; each turn runs one."""

    outlives = False
    is_patient = True

    def __init__(
        self, pool: Any, entry: tuple[Iterator[Any], Callable[[int], None] | None]
    ) -> None:
        self.pool = pool
        self.tasks, self.set_length = iter(entry[0]), entry[1]
        self.thread = pool._sandbox_net_thread
        self.index = -1

    def run(self) -> None:
        pool = self.pool
        if pool._state == multiprocessing.pool.TERMINATE:
            return
        if (initializer := pool._sandbox_net_initializer) is not None:
            pool._sandbox_net_initializer = None
            initializer()
        task = next(self.tasks, None)
        if task is None:
            if self.set_length is not None:
                self.set_length(self.index + 1)
            return
        job, index, function, args, kwargs = task
        self.index = index
        cooperation.pending.append(self)
        try:
            outcome = (True, contextvars.Context().run(function, *args, **kwargs))
        except GivenUp:
            outcome = (
                False,
                Stuck("sandbox-net: there are no threads, and a call of a pool waits"),
            )
        except Exception as error:
            outcome = (False, error)
        found = pool._cache.get(job)
        if found is not None:
            found._set(index, outcome)


class _TaskQueue:
    """Takes what a `ThreadPool` gives to its threads."""

    def __init__(self, pool: Any) -> None:
        self._pool = pool

    def put(self, entry: Any) -> None:
        cooperation.add(_Tasks(self._pool, entry))


def get_result(self: Any, timeout: float | None = None) -> Any:
    """As CPython's, also if the call ended but took too long."""
    is_set = self._event.is_set
    has_to_wait = timeout is not None and cooperation.is_busy() and not is_set()
    if has_to_wait and not cooperation.wait(is_set, timeout):
        raise multiprocessing.TimeoutError
    return _stock_get(self, timeout)


def init_thread_pool(
    self: Any,
    processes: int | None = None,
    initializer: Callable[..., object] | None = None,
    initargs: tuple[Any, ...] = (),
) -> None:
    """A pool without threads."""
    self._pool = []
    self._state = "INIT"
    if processes is None:
        import os

        processes = os.cpu_count() or 1
    if processes < 1:
        raise ValueError("Number of processes must be at least 1")
    if initializer is not None and not callable(initializer):
        raise TypeError("initializer must be a callable")
    self._setup_queues()
    self._cache = {}
    self._processes = processes
    # Their number decides the size of chunks.
    self._pool = [None] * processes
    self._taskqueue = _TaskQueue(self)
    self._change_notifier = queue.SimpleQueue()
    self._sandbox_net_thread = threading.Thread(name=f"Thread-{next(_numbers)} (worker)")
    self._sandbox_net_initializer = (
        None if initializer is None else (lambda: initializer(*initargs))
    )
    self._state = multiprocessing.pool.RUN


_numbers: Final = iter(range(1, 1 << 62))


def close_thread_pool(self: Any) -> None:
    """Takes no more calls."""
    if self._state == multiprocessing.pool.RUN:
        self._state = multiprocessing.pool.CLOSE


def terminate_thread_pool(self: Any) -> None:
    """Drops the calls that have not run."""
    self._state = multiprocessing.pool.TERMINATE
    for work in tuple(cooperation.pending):
        if isinstance(work, _Tasks) and work.pool is self:
            cooperation.pending.remove(work)


def join_thread_pool(self: Any) -> None:
    """Runs all calls, and waits for them."""
    if self._state == multiprocessing.pool.RUN:
        raise ValueError("Pool is still running")
    if self._state not in (multiprocessing.pool.CLOSE, multiprocessing.pool.TERMINATE):
        raise ValueError("In unknown state")
    cooperation.run_all(lambda work: isinstance(work, _Tasks) and work.pool is self)
