"""Runs and ends programs as CPython's own `main` does, where the distribution's entry differs."""

from typing import Any, Final, NoReturn

from . import ending, entry, fresh, main_program, uncaught

# As a shell reports a program that SIGINT ended.
_INTERRUPTED: Final = 130

# The names of the entry, and what they were before.
_entry: dict[str, Any] = {}
_stock: dict[str, Any] = {}


def adapt() -> None:
    """Changes the distribution's entry, which also runs the preparation."""
    global _entry
    inside = entry.find()
    if inside is None:
        return
    _entry = inside
    _stock.update(inside)
    inside["run"] = run
    inside["_exit_code"] = lambda end: uncaught.exit_code(end.code)


def run(argv: Any, environ: Any) -> NoReturn:
    """Runs a program and ends the process."""
    fresh.start()
    ending.end(*_run(argv, environ))


def _run(argv: Any, environ: Any) -> tuple[int, bool]:
    arguments = main_program.parse(argv)
    if arguments is None:
        return _stock["run"](argv, environ), False
    _entry["_refresh"](arguments.is_unbuffered)
    code, is_interrupted = main_program.run(arguments, argv, environ, _entry["_fresh_main"])
    return _INTERRUPTED if is_interrupted else code, is_interrupted
