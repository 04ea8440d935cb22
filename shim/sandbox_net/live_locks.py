"""Ends programs that poll for something that can no longer happen.

A thread that was given up, and whose frames could not be suspended, never continues. A program that
waits for it with `while not is_done: sleep(0.001)` would do so for ever.
"""

import sys
import time
from types import CodeType, FrameType
from typing import Any, Final

# How long, and how often, a program polls for the same until it gets an error.
LASTS: float = 60.0
_OFTEN: Final = 100
# If more time passes between two waits, the program did something else.
_LONG: Final = 2.0


class Activity:
    """Counts a program's calls to its host: a program that polls a server may wait for that."""

    count = 0


class Asking:
    """Counts waits in a row that begin at the same place, with the same variables."""

    def __init__(self) -> None:
        self._place: tuple[int, CodeType, int] | None = None
        self._variables: dict[str, int] = {}
        self._begin = self._last = 0.0
        self._count = self._activity = 0

    def is_endless(self) -> bool:
        """Counts one more; returns whether the program has polled for too long to succeed."""
        frame = _of_the_program(sys._getframe(1))
        if frame is None:
            return False
        now = time.monotonic()
        place = (id(frame), frame.f_code, frame.f_lasti)
        same = (place, Activity.count) == (self._place, self._activity)
        if not same or now - self._last > _LONG:
            self._place, self._activity, self._begin = place, Activity.count, now
            self._count, self._variables = 0, _variables(frame)
        self._last = now
        self._count += 1
        if self._count < _OFTEN or now - self._begin < LASTS:
            return False
        variables, self._place = self._variables, None
        return variables == _variables(frame)


def _of_the_program(frame: FrameType | None) -> FrameType | None:
    """Returns the innermost frame outside the standard library."""
    while frame is not None:
        root = str(frame.f_globals.get("__name__")).partition(".")[0]
        if root == "__main__" or not (root == "sandbox_net" or root in sys.stdlib_module_names):
            return frame
        frame = frame.f_back
    return None


def _variables(frame: FrameType) -> dict[str, int]:
    # Each wait makes a new object of the same value.
    plain: Any = (int, float, str, bytes, bool)
    return {
        name: hash(value) if isinstance(value, plain) else id(value)
        for name, value in frame.f_locals.items()
    }
