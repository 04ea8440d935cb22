"""The module `select` for virtual descriptors: one `POLL` frame waits for all of them.

Without a virtual descriptor the stock module does the work. Real descriptors beside virtual ones
count as ready: a sandbox has only files and its standard streams.
"""

import errno
import math
import operator
import types
from collections.abc import Iterable, Sequence
from typing import Any, Final

from . import constants, control, stock, waiting
from .channel import Entry
from .endpoint import FIRST_FD, TABLE
from .errors import os_error
from .waiting import HUNG_UP, READABLE, WRITABLE, Deadline

_POLLIN: Final = constants.SELECT["POLLIN"]
_POLLOUT: Final = constants.SELECT["POLLOUT"]
_POLLHUP: Final = constants.SELECT["POLLHUP"]
_POLLNVAL: Final = constants.SELECT["POLLNVAL"]
_READ_BITS: Final = _POLLIN | constants.SELECT["POLLRDNORM"]
_MAX_MASK: Final = 0xFFFF
_MAX_WAIT: Final = 0x7FFF_FFFF
_WRITE_BITS: Final = _POLLOUT | constants.SELECT["POLLWRNORM"]


def _look(wanted: dict[int, int]) -> tuple[dict[int, int], list[tuple[int, Entry]]]:
    """Returns which descriptors are ready, and the entries that will report the rest."""
    ready: dict[int, int] = {}
    entries: list[tuple[int, Entry]] = []
    for fd, interest in wanted.items():
        if fd < FIRST_FD:
            ready[fd] = interest
            continue
        now, more = TABLE.watched(fd).watch(interest)
        if now:
            ready[fd] = now
        entries += [(fd, entry) for entry in more]
    return ready, entries


def wait_for(wanted: dict[int, int], deadline: Deadline) -> dict[int, int]:
    """Waits until one of `wanted` is ready; returns those that are, by descriptor."""
    while True:
        ready, entries = _look(wanted)
        if entries:
            timeout = 0 if ready else deadline.remaining_ns()
            found = waiting.poll(control.channel(), [entry for _, entry in entries], timeout)
            for (fd, _), interests in zip(entries, found, strict=True):
                endpoint = TABLE.find(fd)
                now = endpoint.notice(interests) if endpoint is not None else 0
                now &= wanted[fd] | HUNG_UP
                if now:
                    ready[fd] = ready.get(fd, 0) | now
        elif not ready and deadline.blocking and not deadline.sleep():
            # Nothing can happen any more. An error is better than a sandbox that hangs.
            raise os_error(errno.EDEADLK, "nothing can become ready: this would wait for ever")
        if ready or not deadline.remaining_ns():
            return ready


def _descriptor(thing: object) -> int:
    if isinstance(thing, int):
        fd = int(thing)
    else:
        method = getattr(thing, "fileno", None)
        if method is None:
            raise TypeError("argument must be an int, or have a fileno() method.")
        fd = method()
        if not isinstance(fd, int):
            raise TypeError("fileno() returned a non-integer")
    if fd < 0:
        raise ValueError(f"file descriptor cannot be a negative integer ({fd})")
    return fd


def _only_real(descriptors: Iterable[int]) -> bool:
    found = list(descriptors)
    return bool(found) and all(fd < FIRST_FD for fd in found)


def select(
    rlist: Iterable[Any],
    wlist: Iterable[Any],
    xlist: Iterable[Any],
    timeout: float | None = None,
    /,
) -> tuple[list[Any], list[Any], list[Any]]:
    """Waits until something in the three lists is ready; returns three lists of what is."""
    readers = [(thing, _descriptor(thing)) for thing in rlist]
    writers = [(thing, _descriptor(thing)) for thing in wlist]
    others = [(thing, _descriptor(thing)) for thing in xlist]
    seconds = None if timeout is None else _seconds(timeout)
    if seconds is not None and seconds < 0:
        raise ValueError("timeout must be non-negative")
    wanted: dict[int, int] = {}
    for _, fd in others:
        wanted.setdefault(fd, 0)
    for _, fd in readers:
        wanted[fd] = wanted.get(fd, 0) | READABLE
    for _, fd in writers:
        wanted[fd] = wanted.get(fd, 0) | WRITABLE
    if _only_real(wanted):
        lists = (readers, writers, others)
        found = stock.SELECT.select(*([fd for _, fd in each] for each in lists), timeout)
        return tuple(  # type: ignore[return-value]
            [thing for thing, fd in each if fd in fds]
            for each, fds in zip(lists, found, strict=True)
        )
    ready = wait_for(wanted, Deadline(seconds))
    return (
        [thing for thing, fd in readers if ready.get(fd, 0) & (READABLE | HUNG_UP)],
        [thing for thing, fd in writers if ready.get(fd, 0) & WRITABLE],
        [],
    )


def _seconds(timeout: float) -> float:
    if not isinstance(timeout, (int, float)):
        try:
            timeout = operator.index(timeout)
        except TypeError:
            raise TypeError("timeout must be a float or None") from None
    if math.isnan(timeout):
        raise ValueError("Invalid value NaN (not a number)")
    return float(timeout)


def _event_mask(mask: int) -> int:
    number = operator.index(mask)
    if number < 0:
        raise ValueError("value must be positive")
    if number > _MAX_MASK:
        raise OverflowError("Python int too large for C unsigned short")
    return number


class Poll:
    """Waits for the descriptors that are registered with it."""

    _events: dict[int, int]

    def __new__(cls) -> "Poll":
        raise TypeError("cannot create 'select.poll' instances")

    @classmethod
    def _create(cls) -> "Poll":
        self = super().__new__(cls)
        self._events = {}
        return self

    def register(self, fd: Any, eventmask: int = 0x7, /) -> None:
        """Adds a descriptor, or changes its interests."""
        number = _descriptor(fd)
        self._events[number] = _event_mask(eventmask)

    def modify(self, fd: Any, eventmask: int, /) -> None:
        """Changes the interests of a descriptor."""
        number, mask = _descriptor(fd), _event_mask(eventmask)
        if number not in self._events:
            raise os_error(errno.ENOENT)
        self._events[number] = mask

    def unregister(self, fd: Any, /) -> None:
        """Forgets a descriptor."""
        del self._events[_descriptor(fd)]

    def poll(self, timeout: float | None = None, /) -> Sequence[tuple[int, int]]:
        """Waits for at most `timeout` milliseconds; returns what is ready."""
        if _only_real(self._events):
            stock_poll = stock.SELECT.poll()
            for fd, mask in self._events.items():
                stock_poll.register(fd, mask)
            result: list[tuple[int, int]] = stock_poll.poll(timeout)
            return result
        gone = [fd for fd in self._events if fd >= FIRST_FD and fd not in TABLE]
        if gone:
            return [(fd, _POLLNVAL) for fd in gone]
        wanted = {fd: _interest(mask) for fd, mask in self._events.items()}
        milliseconds = -1 if timeout is None else _seconds(timeout)
        if milliseconds > _MAX_WAIT:
            raise OverflowError("timeout is too large")
        seconds = None if milliseconds < 0 else milliseconds / 1000
        ready = wait_for(wanted, Deadline(seconds))
        return [(fd, _events(ready[fd], mask)) for fd, mask in self._events.items() if fd in ready]


Poll.__module__, Poll.__name__, Poll.__qualname__ = "select", "poll", "poll"


def poll() -> Poll:
    """Makes an object that registers descriptors and waits for them."""
    return Poll._create()


def _interest(mask: int) -> int:
    return (READABLE if mask & _READ_BITS else 0) | (WRITABLE if mask & _WRITE_BITS else 0)


def _events(ready: int, mask: int) -> int:
    events = _POLLHUP if ready & HUNG_UP else 0
    if ready & READABLE:
        events |= mask & _READ_BITS
    if ready & WRITABLE:
        events |= mask & _WRITE_BITS
    return events


def build() -> types.ModuleType:
    """Makes the module that replaces `select`."""
    module = types.ModuleType("select", "Waiting for sockets that the host carries.")
    vars(module).update(constants.SELECT)
    # `selectors` keeps these in a class, where functions written in C are not bound to instances.
    functions = {"poll": staticmethod(poll), "select": staticmethod(select)}
    vars(module).update({"error": OSError, **functions})
    return module
