"""The exit codes of CPython's own `main`, where the distribution's entry point has others."""

import sys
from types import FrameType
from typing import Any, Final

# As a shell reports a program that SIGINT ended.
_INTERRUPTED: Final = 130
_LONGEST: Final = 1 << 63


def adapt() -> None:
    """Changes the distribution's entry point, which also runs the preparation."""
    entry = _entry(sys._getframe())
    if entry is None:
        return
    stock_run, stock_report = entry["run"], entry["_report"]
    interrupted: list[BaseException] = []

    def report(error: BaseException, *more: Any) -> None:
        if isinstance(error, KeyboardInterrupt):
            interrupted.append(error)
        stock_report(error, *more)

    def run(*arguments: Any) -> Any:
        code = stock_run(*arguments)
        return _INTERRUPTED if interrupted else code

    entry["_report"], entry["run"] = report, run
    stock_exit_code = entry["_exit_code"]
    entry["_exit_code"] = lambda end: exit_code(end, stock_exit_code)


def exit_code(end: SystemExit, otherwise: Any) -> int:
    """Returns the exit code of `SystemExit`; a number that does not fit a `long` gives -1."""
    if isinstance(end.code, int) and not -_LONGEST <= end.code < _LONGEST:
        return 0xFF
    code: int = otherwise(end)
    return code


def _entry(frame: FrameType | None) -> dict[str, Any] | None:
    while frame is not None:
        if frame.f_globals.get("__name__") == "_reactor":
            return frame.f_globals
        frame = frame.f_back
    return None
