"""Functions of `os` that WASI lacks and that make sense with one process and one user.

Files have no permissions here: an open file may be used as its directory allows, and `os.chmod`
changes nothing. The functions for permissions here do not either.
"""

import errno
import os
import shutil
import signal
from collections.abc import Callable
from typing import Any, Final

from . import signals, users
from .unsupported import refusing

_mask = 0o022
_FIRST: Final = 1
_ROOM: Final = (
    "WASI does not say how much room there is on a disk",
    "use an `except OSError` where you write: the disk's limit is one",
)


def changes() -> dict[str, Callable[..., object]]:
    """Returns the functions by their names."""
    alone = os.getpid
    return {
        "getuid": lambda: users.ID,
        "geteuid": lambda: users.ID,
        "getgid": lambda: users.ID,
        "getegid": lambda: users.ID,
        "getresuid": lambda: (users.ID,) * 3,
        "getresgid": lambda: (users.ID,) * 3,
        "getgroups": lambda: [users.ID],
        "getlogin": lambda: users.NAME,
        "getppid": lambda: _FIRST,
        "getpgrp": lambda: alone(),
        "getpgid": _of_this_process,
        "getsid": _of_this_process,
        "umask": umask,
        "fchmod": fchmod,
        "lchmod": lambda path, mode: os.chmod(path, mode),
        "chown": chown,
        "lchown": chown,
        "fchown": fchown,
        "sched_getaffinity": _affinity,
        "get_terminal_size": get_terminal_size,
        "sync": lambda: None,
        "getrandom": lambda size, flags=0: os.urandom(size),
        "register_at_fork": register_at_fork,
        "kill": kill,
        "statvfs": refusing("os.statvfs", *_ROOM),
        "fstatvfs": refusing("os.fstatvfs", *_ROOM),
        "wait": _no_children,
        "waitpid": _no_children,
    }


def add() -> None:
    """Adds what is missing."""
    for name, function in changes().items():
        if not hasattr(os, name):
            function.__name__ = function.__qualname__ = name
            setattr(os, name, function)
            os.__all__.append(name)
    if not hasattr(shutil, "disk_usage"):
        shutil.disk_usage = refusing("shutil.disk_usage", *_ROOM)


def _failed(number: int) -> OSError:
    return OSError(number, os.strerror(number))


def _this_process(pid: int) -> int:
    if pid not in (0, os.getpid()):
        raise _failed(errno.ESRCH)
    return os.getpid()


def _of_this_process(pid: int, /) -> int:
    return _this_process(pid)


def _affinity(pid: int, /) -> set[int]:
    _this_process(pid)
    return set(range(os.cpu_count() or 1))


def umask(mask: int, /) -> int:
    """As CPython's. It changes nothing else, because files have no permissions."""
    global _mask
    before, _mask = _mask, mask & 0o777
    return before


def fchmod(fd: int, mode: int) -> None:
    """As `os.chmod` here: it checks for an open file and a number, and changes nothing."""
    os.fstat(fd)
    if not isinstance(mode, int):
        raise TypeError(f"'{type(mode).__name__}' object cannot be interpreted as an integer")


def _may_own(uid: int, gid: int) -> None:
    if uid not in (-1, users.ID) or gid not in (-1, users.ID):
        raise _failed(errno.EPERM)


def chown(path: Any, uid: int, gid: int, **_options: object) -> None:
    """Fails for any other owner: all files belong to the one user."""
    os.lstat(path) if not isinstance(path, int) else os.fstat(path)
    _may_own(uid, gid)


def fchown(fd: int, uid: int, gid: int) -> None:
    """As `chown`."""
    os.fstat(fd)
    _may_own(uid, gid)


def get_terminal_size(fd: int = 1, /) -> os.terminal_size:
    """Fails: no terminal has a known size."""
    raise _failed(errno.ENOTTY)


def register_at_fork(
    *, before: Any = None, after_in_child: Any = None, after_in_parent: Any = None
) -> None:
    """Does nothing: no process forks, so nothing is ever called."""
    if before is None and after_in_child is None and after_in_parent is None:
        raise TypeError("At least one argument is required.")


def kill(pid: int, sig: int, /) -> None:
    """Sends this process a signal; there is no other process."""
    _this_process(pid)
    if sig != 0:
        signals.raise_signal(signal.Signals(sig))


def _no_children(*_args: object) -> Any:
    raise _failed(errno.ECHILD)
