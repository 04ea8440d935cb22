"""Reports what ends a program, or would have: exceptions, the code of `SystemExit`, and errors that
nobody can be told of."""

import os
import sys
from collections.abc import Callable, Container
from types import TracebackType
from typing import Any, Final

_STDERR: Final = 2
_LONGEST: Final = 1 << 63
_OVERFLOW: Final = 0xFF
_FAILED: Final = 1

_display: Final = sys.__excepthook__
_stock_unraisable: Final = sys.__unraisablehook__


def exit_code(code: object) -> int:
    """Returns the exit code for the code of `SystemExit`; what is no number is printed."""
    if code is None:
        return 0
    if isinstance(code, int):
        # As a `long` of 64 bits; what does not fit gives -1.
        return int(code) & 0xFF if -_LONGEST <= code < _LONGEST else _OVERFLOW
    try:
        text = str(code)
    except BaseException:
        text = ""
    write(f"{text}\n")
    return _FAILED


def write(text: str) -> None:
    """Writes to the program's stderr, or to the process' if it has none."""
    stream = vars(sys).get("stderr")
    try:
        if stream is None:
            os.write(_STDERR, text.encode("utf-8", "backslashreplace"))
        else:
            stream.write(text)
    except BaseException:
        return


def strip(error: BaseException, hidden: Container[str]) -> None:
    """Removes the frames that ran the program from its traceback: those of the files `hidden`."""
    trace = error.__traceback__
    while trace is not None and trace.tb_frame.f_code.co_filename in hidden:
        trace = trace.tb_next
    error.__traceback__ = trace


def report(error: BaseException) -> int:
    """Reports an exception that nobody caught, and returns the exit code."""
    sys.last_exc = error  # type: ignore[attr-defined]
    sys.last_type, sys.last_value = type(error), error
    sys.last_traceback = error.__traceback__
    trace = error.__traceback__
    hook = vars(sys).get("excepthook")
    failed = _error_of(sys.audit, "sys.excepthook", hook, type(error), error, trace)
    if isinstance(failed, RuntimeError):
        return _FAILED
    if failed is not None:
        unraisable("Exception ignored in audit hook", failed)
    if hook is None:
        write("sys.excepthook is missing\n")
        _display(type(error), error, trace)
        return _FAILED
    failed = _error_of(hook, type(error), error, trace)
    if isinstance(failed, SystemExit):
        return exit_code(failed.code)
    if failed is not None:
        write("Error in sys.excepthook:\n")
        _display(type(failed), failed, failed.__traceback__)
        write("\nOriginal exception was:\n")
        _display(type(error), error, trace)
    return _FAILED


def _error_of(function: Callable[..., object], *arguments: Any) -> BaseException | None:
    """Calls a function, and returns what it raised."""
    try:
        function(*arguments)
    except BaseException as error:
        strip(error, {__file__})
        return error
    return None


def _type_of_arguments() -> Callable[[tuple[Any, ...]], Any]:
    """The type of what `sys.unraisablehook` is given, which has no name."""

    class Raises:
        def __del__(self) -> None:
            raise ValueError

    seen: list[Any] = []
    hook, sys.unraisablehook = sys.unraisablehook, seen.append
    try:
        Raises()
    finally:
        sys.unraisablehook = hook
    kind: Callable[[tuple[Any, ...]], Any] = type(seen[0])
    return kind


_Arguments: Final = _type_of_arguments()


def unraisable(text: str, error: BaseException, about: object = None) -> None:
    """Reports an exception that nobody can be told of, as CPython's functions in C do."""
    hook = vars(sys).get("unraisablehook", _stock_unraisable)
    failed = _error_of(hook, _arguments(text, error, about))
    if failed is not None:
        _stock_unraisable(_arguments("Exception ignored in sys.unraisablehook", failed, hook))


def _arguments(text: str, error: BaseException, about: object) -> Any:
    trace: TracebackType | None = error.__traceback__
    return _Arguments((type(error), error, trace, text, about))
