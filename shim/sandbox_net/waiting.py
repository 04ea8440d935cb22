"""Waiting for the host, within what a socket's timeout allows."""

import time
from typing import Final

from . import cooperation
from .channel import FOREVER, Channel, Entry
from .errors import timed_out, would_block

READABLE: Final = 1
WRITABLE: Final = 2
HUNG_UP: Final = 4

_NS: Final = 1_000_000_000


class Deadline:
    """A socket's timeout, begun: `None` waits for ever, 0 not at all."""

    __slots__ = ("_end", "blocking", "timeout")

    def __init__(self, timeout: float | None) -> None:
        self.timeout = timeout
        self.blocking = timeout is None or timeout > 0
        self._end = None if timeout is None else time.monotonic() + timeout

    def remaining_ns(self) -> int:
        """Nanoseconds that are left, `FOREVER` without an end."""
        if self._end is None:
            return FOREVER
        return max(0, int((self._end - time.monotonic()) * _NS))

    def sleep_out(self) -> None:
        """Waits for the end, where there is nothing else to wait for."""
        while (left := self.remaining_ns()) > 0:
            cooperation.stock_sleep(left / _NS)


def wait(channel: Channel, entries: list[Entry], deadline: Deadline) -> list[int]:
    """Waits until something of `entries` is ready.

    Raises:
        BlockingIOError: a non-blocking socket does not wait.
        TimeoutError: the deadline passed.
    """
    if not deadline.blocking:
        raise would_block()
    while True:
        left = deadline.remaining_ns()
        ready = channel.poll(entries, left)
        if any(ready):
            return ready
        if not left:
            raise timed_out()
