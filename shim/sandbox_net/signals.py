"""Signals that the process sends to itself. Nothing else sends any."""

import os
import signal
from collections.abc import Callable
from typing import Any, Final

from . import unsupported
from .unsupported import Stuck

_stock_raise: Final = signal.raise_signal
# The default action of all other signals ends the process.
_IGNORED: Final = frozenset({"SIGCHLD", "SIGURG", "SIGWINCH", "SIGCONT", "SIGPIPE"})
_STOPS: Final = frozenset({"SIGSTOP", "SIGTSTP", "SIGTTIN", "SIGTTOU"})
_BY_A_SIGNAL: Final = 128
_ALARM: Final = (
    "a program's own signals come only from itself, and nothing interrupts it",
    "use the timeouts of what you call, or the limit that the host gives the program",
)


def changes() -> dict[str, Callable[..., Any]]:
    """Returns the functions by their names."""
    return {
        "valid_signals": valid_signals,
        "alarm": alarm,
        "setitimer": setitimer,
        "getitimer": lambda which, /: (0.0, 0.0),
        "pause": pause,
        "siginterrupt": lambda signalnum, flag, /: None,
        "pthread_sigmask": pthread_sigmask,
    }


def add() -> None:
    """Adds what is missing, and lets signals end the process as natively."""
    signal.raise_signal = raise_signal
    for name, function in changes().items():
        if not hasattr(signal, name):
            function.__name__ = function.__qualname__ = name
            setattr(signal, name, function)
    for index, name in enumerate(("ITIMER_REAL", "ITIMER_VIRTUAL", "ITIMER_PROF")):
        if not hasattr(signal, name):
            setattr(signal, name, index)
    for index, name in enumerate(("SIG_BLOCK", "SIG_UNBLOCK", "SIG_SETMASK")):
        if not hasattr(signal, name):
            setattr(signal, name, index)


def valid_signals() -> set[Any]:
    """Returns the signals that have names."""
    return set(signal.Signals)


def raise_signal(signalnum: int, /) -> None:
    """As CPython's; without a handler the process ends with that signal's code."""
    if signalnum in list(signal.Signals):
        name = signal.Signals(signalnum).name
        if signal.getsignal(signalnum) == signal.SIG_DFL and name not in _IGNORED:
            if name in _STOPS:
                raise unsupported.error(
                    name, "nobody could let the program go on", "end it instead"
                )
            os._exit(_BY_A_SIGNAL + signalnum)
    _stock_raise(signalnum)


def alarm(seconds: int, /) -> int:
    """Cancels an alarm, which never exists; setting one is not supported."""
    if seconds:
        raise unsupported.error("signal.alarm", *_ALARM)
    return 0


def setitimer(which: int, seconds: float, interval: float = 0.0, /) -> tuple[float, float]:
    """As `alarm`."""
    if seconds:
        raise unsupported.error("signal.setitimer", *_ALARM)
    return (0.0, 0.0)


def pause() -> None:
    """Returns at once: nobody sends a signal meanwhile."""
    raise Stuck(
        "sandbox-net: nobody sends this program signals, so signal.pause would wait for ever"
    )


def pthread_sigmask(how: int, mask: Any, /) -> set[Any]:
    """Returns an empty set: no signal comes from outside, so none is blocked."""
    if how not in (0, 1, 2):
        raise OSError(22, "Invalid argument")
    return set()
