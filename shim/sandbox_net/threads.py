"""What is left of threads in an interpreter that has none.

A build for WASI cannot start a thread. `ThreadPoolExecutor`, and with it `asyncio.to_thread` and
`run_in_executor`, then run what they are given in line: at once, and to its end, before `submit`
returns. The results are those of a pool that is idle; nothing runs at the same time.

Waiting for another thread could never end, and the C library answers it with a trap. Here it is a
`RuntimeError`, and a wait with a timeout lasts until that.
"""

import _thread
import concurrent.futures
import queue
import threading
import time
from asyncio.base_events import BaseEventLoop
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Final, TypeVar

_T = TypeVar("_T")
_INITIALIZER: Final = "_sandbox_net_initializer"
# Its calls are for other interpreters, so they cannot run in this one.
_INTERPRETERS: Final = getattr(concurrent.futures, "InterpreterPoolExecutor", ())

_stock_init = ThreadPoolExecutor.__init__
_stock_submit = ThreadPoolExecutor.submit


def can_start() -> bool:
    """Whether this interpreter starts threads."""
    try:
        _thread.start_new_thread(_nothing, ())
    except RuntimeError:
        return False
    return True


def _nothing() -> None:
    pass


def do_without() -> None:
    """Makes the changes that this module tells of."""
    changes: tuple[tuple[Any, str, object], ...] = (
        (ThreadPoolExecutor, "__init__", init_in_line),
        (ThreadPoolExecutor, "submit", submit_in_line),
        (BaseEventLoop, "shutdown_default_executor", shut_down_default_executor),
        (threading.Condition, "wait", wait_alone),
        # The one in C waits in C.
        (queue, "SimpleQueue", getattr(queue, "_PySimpleQueue", queue.SimpleQueue)),
        # What `Thread.start` calls: the former until CPython 3.12, the latter since.
        (threading, "_start_new_thread", refuse_thread),
        (threading, "_start_joinable_thread", refuse_thread),
    )
    for holder, name, replacement in changes:
        if hasattr(holder, name):
            setattr(holder, name, replacement)


def refuse_thread(*_args: object, **_options: object) -> None:
    """Fails as CPython does, and says more."""
    raise RuntimeError(
        "can't start new thread: sandbox-net has none; asyncio, and executors, do without"
    )


def init_in_line(
    self: ThreadPoolExecutor,
    max_workers: int | None = None,
    thread_name_prefix: str = "",
    initializer: Callable[..., object] | None = None,
    initargs: tuple[Any, ...] = (),
    **more: Any,
) -> None:
    """Remembers the initializer, which the first call runs."""
    _stock_init(self, max_workers, thread_name_prefix, initializer, initargs, **more)
    setattr(self, _INITIALIZER, (initializer, initargs))


def submit_in_line(
    self: ThreadPoolExecutor, fn: Callable[..., _T], /, *args: Any, **kwargs: Any
) -> Future[_T]:
    """Runs a call at once; the future has its result or its exception."""
    if isinstance(self, _INTERPRETERS):
        return _stock_submit(self, fn, *args, **kwargs)
    if self._shutdown:
        raise RuntimeError("cannot schedule new futures after shutdown")
    initializer, initargs = getattr(self, _INITIALIZER, (None, ()))
    setattr(self, _INITIALIZER, (None, ()))
    if initializer is not None:
        initializer(*initargs)
    future: Future[_T] = Future()
    future.set_running_or_notify_cancel()
    try:
        result = fn(*args, **kwargs)
    except BaseException as error:
        future.set_exception(error)
    else:
        future.set_result(result)
    return future


async def shut_down_default_executor(self: Any, timeout: float | None = None) -> None:
    """Ends the loop's executor: it has nothing to wait for."""
    self._executor_shutdown_called = True
    if self._default_executor is not None:
        self._default_executor.shutdown(wait=False)


def wait_alone(self: threading.Condition, timeout: float | None = None) -> bool:
    """Waits until the timeout: there is nobody who could notify."""
    if not self._is_owned():  # type: ignore[attr-defined]
        raise RuntimeError("cannot wait on un-acquired lock")
    if timeout is None:
        raise RuntimeError("sandbox-net: there are no threads, so this would wait for ever")
    if timeout > 0:
        time.sleep(timeout)
    return False
