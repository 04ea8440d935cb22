"""The exit codes of CPython's own `main`, where the distribution's entry point has others."""

from typing import Any, Final

from . import entry, fresh

# As a shell reports a program that SIGINT ended.
_INTERRUPTED: Final = 130
_LONGEST: Final = 1 << 63


def adapt() -> None:
    """Changes the distribution's entry point, which also runs the preparation."""
    inside = entry.find()
    if inside is None:
        return
    stock_run, stock_report = inside["run"], inside["_report"]
    interrupted: list[BaseException] = []

    def report(error: BaseException, *more: Any) -> None:
        if isinstance(error, KeyboardInterrupt):
            interrupted.append(error)
        stock_report(error, *more)

    def run(*arguments: Any) -> Any:
        fresh.start()
        code = stock_run(*arguments)
        return _INTERRUPTED if interrupted else code

    inside["_report"], inside["run"] = report, run
    stock_exit_code = inside["_exit_code"]
    inside["_exit_code"] = lambda end: exit_code(end, stock_exit_code)


def exit_code(end: SystemExit, otherwise: Any) -> int:
    """Returns the exit code of `SystemExit`; a number that does not fit a `long` gives -1."""
    if isinstance(end.code, int) and not -_LONGEST <= end.code < _LONGEST:
        return 0xFF
    code: int = otherwise(end)
    return code
