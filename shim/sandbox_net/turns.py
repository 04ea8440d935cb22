"""Event loops, and the work that runs in line beside them.

A loop runs one piece of pending work between two of its turns, so that tasks continue in between.
If work waits for the loop itself, it lets the loop take turns meanwhile. A loop that runs in line,
in a thread of its own, returns to outer waits as soon as it would only wait.
"""

import asyncio
import inspect
import signal
from asyncio import events, tasks
from asyncio.base_events import BaseEventLoop
from asyncio.selector_events import BaseSelectorEventLoop
from collections.abc import Callable
from typing import Any, Final

from . import cooperation
from .cooperation import Work
from .unsupported import Stuck

_loops: Final[Any] = BaseEventLoop
_selecting: Final[Any] = BaseSelectorEventLoop
_loop_class: Final[Any] = asyncio.SelectorEventLoop
_stock_run_once: Final = _loops._run_once
_stock_run_until_complete: Final = _loops.run_until_complete
_COMPLETES: Final = "_sandbox_net_completes"


def do_without() -> None:
    """Makes loops run pending work."""
    _loops._run_once = run_once
    _loops.run_until_complete = run_until_complete
    _loop_class.add_signal_handler = add_signal_handler
    _loop_class.remove_signal_handler = remove_signal_handler
    if put_no_loop not in cooperation.around:
        cooperation.around.append(put_no_loop)


def add_signal_handler(self: Any, sig: int, callback: Any, *args: Any) -> None:
    """As CPython's. Only the program itself sends signals, so nothing needs to wake the loop."""
    if asyncio.iscoroutine(callback) or inspect.iscoroutinefunction(callback):
        raise TypeError("coroutines cannot be used with add_signal_handler()")
    self._check_signal(sig)
    self._check_closed()
    handle = events.Handle(callback, args, self, None)
    signal.signal(sig, lambda *_: self._add_callback_signalsafe(handle))
    self._signal_handlers[sig] = handle


def remove_signal_handler(self: Any, sig: int) -> bool:
    """As CPython's."""
    self._check_signal(sig)
    if self._signal_handlers.pop(sig, None) is None:
        return False
    is_int = sig == signal.SIGINT
    signal.signal(sig, signal.default_int_handler if is_int else signal.SIG_DFL)
    return True


def without_self_pipes() -> None:
    """Makes loops without sockets: nothing needs to wake them."""
    _selecting._make_self_pipe = _nothing
    _selecting._close_self_pipe = _nothing
    _selecting._ssock = _selecting._csock = None
    _loops._run_once = run_once_without_sockets


def _nothing(*_args: object) -> None:
    pass


def run_until_complete(self: Any, future: Any) -> Any:
    """As CPython's; a loop that ends is known."""
    setattr(self, _COMPLETES, True)
    try:
        return _stock_run_until_complete(self, future)
    finally:
        setattr(self, _COMPLETES, False)


def run_once(self: Any) -> None:
    """As CPython's. It does not wait while other work can run."""
    if cooperation.running and not self._ready:
        _bound(self)
    if not (cooperation.pending or cooperation.standing) or self._stopping:
        _stock_run_once(self)
        return
    work = cooperation._next()
    if work is None:
        due = min(work.due() for work in cooperation.standing)
        wake = None if due == float("inf") else self.call_later(due, _nothing)
        _stock_run_once(self)
        if wake is not None:
            wake.cancel()
        return
    cooperation.pending.appendleft(work)
    self.call_soon(_nothing)
    _stock_run_once(self)
    with cooperation.between_turns(self, _turn):
        cooperation.run_next()


def run_once_without_sockets(self: Any) -> None:
    """As `run_once`, when no event comes from outside."""
    idle = not (self._ready or self._scheduled or cooperation.pending or self._stopping)
    idle = idle and all(work.due() == float("inf") for work in cooperation.standing)
    if idle and not cooperation.running:
        raise Stuck("sandbox-net: there are no threads, so this event loop would wait for ever")
    run_once(self)


def _bound(loop: Any) -> None:
    """Makes a loop in line wait no longer than the outer ones do."""
    has_something = loop._scheduled or cooperation.has_files(loop)
    forever = None if getattr(loop, _COMPLETES, False) else loop
    until = cooperation.give_way(not has_something, True, forever)
    if until != float("inf"):
        loop.call_later(max(0.0, until), _nothing)


def _turn(loop: Any) -> None:
    """Runs one turn of a loop that is between two, for work that waits for it."""
    events._set_running_loop(loop)
    try:
        _stock_run_once(loop)
    finally:
        events._set_running_loop(None)


def put_no_loop(_work: Work) -> Callable[[], None]:
    """Takes work in line out of the running loop, as a thread is."""
    loop = events._get_running_loop()
    if loop is None:
        return _nothing
    task = _swap(loop, None)
    events._set_running_loop(None)

    def restore() -> None:
        events._set_running_loop(loop)
        _swap(loop, task)

    return restore


def _swap(loop: asyncio.AbstractEventLoop, task: Any) -> Any:
    """Replaces the current task of a loop."""
    found = asyncio.current_task(loop)
    if found is not None:
        tasks._leave_task(loop, found)
    if task is not None:
        tasks._enter_task(loop, task)
    return found
