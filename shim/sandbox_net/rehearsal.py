"""Runs an empty program before the snapshot, so that what every program runs has run before.

CPython changes code that runs for the first times: it counts, and writes quicker instructions in
the place of others. In a copy of the snapshot each such write would copy a page, and the first
program would run the slower instructions.
"""

import linecache
import os
import sys
from types import ModuleType
from typing import Final

from . import at_exit, cooperation, ending, ending_leftovers, main_program

# After so many runs the quicker instructions are there.
_TIMES: Final = 16
_ARGV: Final = ("python", "-c", "pass")


def rehearse() -> None:
    """Runs the program, and what of its end changes nothing."""
    arguments = main_program.parse(_ARGV)
    assert arguments is not None
    environ = dict(os.environ)
    argv, orig_argv, main = sys.argv, sys.orig_argv, sys.modules["__main__"]
    registered = dict(getattr(linecache, "_interactive_cache", {}))
    for _ in range(_TIMES):
        main_program.parse(_ARGV)
        main_program.run(arguments, _ARGV, environ, _new_main)
        cooperation.run_all(lambda work: work.outlives)
        at_exit.end_processes()
        at_exit.end_logging()
        ending.flush()
        ending_leftovers.find()
    sys.argv, sys.orig_argv, sys.modules["__main__"] = argv, orig_argv, main
    if registered or hasattr(linecache, "_interactive_cache"):
        linecache._interactive_cache.clear()  # type: ignore[attr-defined]
        linecache._interactive_cache.update(registered)  # type: ignore[attr-defined]


def _new_main() -> ModuleType:
    sys.modules["__main__"] = main = ModuleType("__main__")
    return main
