"""Refuses other processes, and servers, with one kind of error."""

import concurrent.futures
import multiprocessing
import multiprocessing.context
import multiprocessing.process
import os
import re
import subprocess
from collections.abc import Callable
from typing import Any, Final

from .unsupported import error, refusing

_WHY: Final = "the program is one process and starts no other"
_PYTHON: Final = "use a function or an import instead of a command"
_PACKAGES: Final = "use --with PKG, such as --with requests, to add a package"
_PIP: Final = re.compile(r"\bpip3?\b")
_THREADS: Final = "use concurrent.futures.ThreadPoolExecutor or multiprocessing.pool.ThreadPool"
_COMMANDS: Final = (
    "system popen execl execle execlp execlpe execv execve execvp execvpe spawnl spawnle spawnlp "
    "spawnlpe spawnv spawnve spawnvp spawnvpe posix_spawn posix_spawnp startfile"
)
_FORKS: Final = "fork forkpty"
# What processes share.
_SHARED: Final = (
    "Array Barrier BoundedSemaphore Condition Event JoinableQueue Lock Manager Pipe Pool Queue "
    "RLock RawArray RawValue Semaphore SimpleQueue Value"
)
# What `multiprocessing.dummy` has, for threads.
_OF_DUMMY: Final = (
    "Array Barrier BoundedSemaphore Condition Event JoinableQueue Lock Manager Pipe Pool Queue "
    "RLock Semaphore Value"
)


def add() -> None:
    """Adds what is missing, and replaces what could only fail."""
    for name in _COMMANDS.split():
        if name != "startfile":
            setattr(os, name, _refusing_command(name))
    for name in _FORKS.split():
        setattr(os, name, refusing(f"os.{name}", _WHY, _THREADS))
    popen: Any = subprocess.Popen
    popen._execute_child = _refuse_child
    popen.__init__ = _refuse_popen
    base: Any = multiprocessing.process.BaseProcess
    base.start = refusing("multiprocessing.Process.start", _WHY, _THREADS)
    context: Any = multiprocessing.context.BaseContext
    for name in _SHARED.split():
        instead = f"use multiprocessing.dummy.{name}" if name in _OF_DUMMY.split() else _THREADS
        refuse = refusing(f"multiprocessing.{name}", _WHY, instead)
        setattr(context, name, refuse)
        setattr(multiprocessing, name, refuse)
    futures: Any = concurrent.futures
    futures.ProcessPoolExecutor = ProcessPoolExecutor


def _refuse_popen(self: Any, args: Any = None, *_more: Any, **_options: Any) -> None:
    # What `Popen.__del__` reads.
    self._child_created = False
    self.returncode = None
    raise error(f"starting {args!r}", _WHY, _instead_of(args))


def _refusing_command(name: str) -> Callable[..., Any]:
    def refuse(*args: object, **options: object) -> Any:
        raise error(f"os.{name}", _WHY, _instead_of((args, options)))

    refuse.__name__ = refuse.__qualname__ = name
    refuse.__doc__ = f"Raises `OSError`: {_WHY}."
    return refuse


def _instead_of(command: object) -> str:
    return _PACKAGES if _PIP.search(repr(command)) else _PYTHON


_refuse_child = refusing("subprocess", _WHY, _PYTHON)


class ProcessPoolExecutor(concurrent.futures.Executor):
    """Raises `OSError`: there are no other processes."""

    def __init__(self, *_args: object, **_options: object) -> None:
        raise error("ProcessPoolExecutor", _WHY, "use concurrent.futures.ThreadPoolExecutor")
