"""Calls what the library registers for the end of a program only where it would do something.

A snapshot has imported `logging` and `multiprocessing`, whose functions would run at the end of
each program, also of one that knows neither.
"""

import atexit
import logging
from multiprocessing import process, util
from typing import Any, Final

_stock_logging: Final = logging.shutdown
_stock_processes: Final[Any] = util._exit_function  # type: ignore[attr-defined]
# Of these handlers the end would only flush stderr, which happens anyway.
_first: Final = len(logging._handlerList)  # type: ignore[attr-defined]


def adapt() -> None:
    """Registers the functions in the place of the library's, in their order."""
    atexit.unregister(_stock_logging)
    atexit.unregister(_stock_processes)
    atexit.register(end_logging)
    atexit.register(end_processes)


def end_logging() -> None:
    """As `logging.shutdown`, if the program has made a handler."""
    if len(logging._handlerList) > _first:  # type: ignore[attr-defined]
        _stock_logging()


def end_processes() -> None:
    """As the function of `multiprocessing`, if there is something to end, or somebody to tell."""
    known: Any = util
    if known._finalizer_registry or known._logger or process._children:  # type: ignore[attr-defined]
        _stock_processes()
