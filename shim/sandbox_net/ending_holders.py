"""Lets go of what of a program the library holds in places that every program fills.

CPython's finalization ends these modules, or empties the place. Here they stay, so that the places
are emptied, and with them nothing of the program is held by what was there before.
"""

import _signal  # type: ignore[import-not-found]
import contextlib
import signal
import typing
from collections.abc import Callable
from typing import Any, Final

# `signal` itself wraps these.
_handler_of: Final = _signal.getsignal
_handle: Final = _signal.signal
_handled: Final = tuple(map(int, signal.Signals))
_interrupt: Final = _signal.default_int_handler
# What empties the caches of `typing`, which keep the classes in annotations.
_cleanups: Final[list[Callable[[], object]]] = getattr(typing, "_cleanups", [])


def clear() -> None:
    """Clears the handlers of signals, as CPython does before it collects, and the caches."""
    for number in _handled:
        handler: Any = _handler_of(number)
        if not (handler is None or handler is _interrupt or isinstance(handler, int)):
            with contextlib.suppress(OSError, ValueError):
                _handle(number, _signal.SIG_DFL)
    for clean in tuple(_cleanups):
        clean()
