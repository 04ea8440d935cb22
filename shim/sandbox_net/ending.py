"""Ends the interpreter at the cost of the program's own objects.

CPython's finalization destroys what a sandbox begins with, too, and collects all of it four times.
Here the same steps happen in the same order, as far as a program could see them: threads, `atexit`,
the standard streams, and then its own modules, objects and finalizers (`ending_modules`). What was
in the memory before the program stays as it is, and the process ends.
"""

import atexit
import os
import sys
from typing import Any, Final, NoReturn

from . import ending_modules, uncaught

# What CPython returns if the standard streams cannot be flushed.
_NOT_FLUSHED: Final = 120

_exit: Final = os._exit
_call_at_exit: Final = atexit._run_exitfuncs


def begin() -> None:
    """Notes what there is now: it will not be destroyed. A snapshot does so before it is taken."""
    ending_modules.begin()


def end(code: int, is_final: bool = False) -> NoReturn:
    """Ends the interpreter, and the process with `code`, or with 120 if its output is lost.

    A code that is final stays: that of a program which a signal ended.
    """
    # No name may be left of these afterwards.
    leave, flush, every, lost = _exit, _flush_the_last, BaseException, _NOT_FLUSHED
    streams = [vars(sys).get(name) for name in ("__stdout__", "__stderr__")]
    try:
        if not _finish() and not is_final:
            code = lost
    finally:
        # An error, such as a lack of memory, does not keep the process.
        flush(streams, every)
        leave(code & 0xFF)


def _finish() -> bool:
    """Ends it; returns whether the standard streams were flushed."""
    _shut_threads_down()
    _call_at_exit()
    sys.is_finalizing = _is_finalizing
    is_flushed = flush()
    ending_modules.destroy()
    return is_flushed


def _is_finalizing() -> bool:
    return True


def _shut_threads_down() -> None:
    threading: Any = sys.modules.get("threading")
    if threading is None:
        return
    try:
        threading._shutdown()
    except BaseException as error:
        uncaught.strip(error, {__file__})
        uncaught.unraisable("Exception ignored on threading shutdown", error, threading)


def flush() -> bool:
    """Flushes the standard streams; returns whether that worked."""
    streams = vars(sys)
    is_flushed = True
    for name in ("stdout", "stderr"):
        stream = streams.get(name)
        if stream is None or _is_closed(stream):
            continue
        try:
            stream.flush()
        except BaseException as error:
            is_flushed = False
            if name == "stdout":
                uncaught.strip(error, {__file__})
                uncaught.unraisable("Exception ignored while flushing sys.stdout", error)
    return is_flushed


def _is_closed(stream: Any) -> bool:
    try:
        return bool(stream.closed)
    except BaseException:
        return False


def _flush_the_last(streams: list[Any], every: type[BaseException]) -> None:
    """Flushes what finalizers wrote, when nothing has a name any more."""
    for stream in streams:
        try:
            stream.flush()
        except every:
            continue
