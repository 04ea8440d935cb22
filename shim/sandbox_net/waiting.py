"""Waits for the host, within a socket's timeout."""

import math
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
    """A socket's timeout, begun: `None` waits without limit, 0 not at all."""

    __slots__ = ("_end", "blocking", "timeout")

    def __init__(self, timeout: float | None) -> None:
        self.timeout = timeout
        self.blocking = timeout is None or timeout > 0
        self._end = None if timeout is None else time.monotonic() + timeout

    def remaining_ns(self) -> int:
        """Returns the nanoseconds that are left; `FOREVER` without a limit."""
        if self._end is None:
            return FOREVER
        return max(0, int((self._end - time.monotonic()) * _NS))

    def sleep_out(self) -> None:
        """Waits for the deadline, when there is nothing else to wait for."""
        while self.remaining_ns() > 0:
            self.sleep()

    def sleep(self) -> bool:
        """Waits for the deadline, or until a thread has run, which may have changed something.

        Returns false if neither is possible.
        """
        left = None if self._end is None else self.remaining_ns() / _NS
        until = cooperation.go_on_beside(lambda: False, left)
        until = until if left is None else min(left, until)
        if until == math.inf:
            return False
        cooperation.stock_sleep(until)
        return True


def patience(deadline: Deadline) -> int:
    """Returns how long one frame may wait by itself, in nanoseconds: not while threads go on."""
    if not deadline.blocking or cooperation.is_busy():
        return 0
    return deadline.remaining_ns()


def poll(channel: Channel, entries: list[Entry], timeout_ns: int) -> list[int]:
    """As `Channel.poll`; threads continue beside it. It may end early, with nothing ready."""
    if timeout_ns and cooperation.is_busy():
        timeout = None if timeout_ns == FOREVER else timeout_ns / _NS
        until = cooperation.go_on_beside(lambda: any(channel.poll(entries, 0)), timeout)
        if until * _NS < timeout_ns:
            timeout_ns = int(until * _NS)
    return channel.poll(entries, timeout_ns)


def wait(channel: Channel, entries: list[Entry], deadline: Deadline) -> list[int]:
    """Waits until one of `entries` is ready.

    Raises:
        BlockingIOError: a non-blocking socket does not wait.
        TimeoutError: the deadline passed.
    """
    if not deadline.blocking:
        raise would_block()
    while True:
        left = deadline.remaining_ns()
        ready = poll(channel, entries, left)
        if any(ready):
            return ready
        if not left:
            raise timed_out()
