"""`fcntl`, as far as it is useful in one process.

A `flock` belongs to what was opened: two descriptors of one file exclude each other, also within
one process. A `lockf` belongs to the process, which never excludes itself.
"""

import errno
import os
import types
import weakref
from typing import Any, Final

from . import cooperation, unsupported

LOCK_SH: Final = 1
LOCK_EX: Final = 2
LOCK_NB: Final = 4
LOCK_UN: Final = 8
_CONSTANTS: Final = {
    "LOCK_SH": LOCK_SH,
    "LOCK_EX": LOCK_EX,
    "LOCK_NB": LOCK_NB,
    "LOCK_UN": LOCK_UN,
    "F_DUPFD": 0,
    "F_GETFD": 1,
    "F_SETFD": 2,
    "F_GETFL": 3,
    "F_SETFL": 4,
    "F_GETLK": 5,
    "F_SETLK": 6,
    "F_SETLKW": 7,
    "F_RDLCK": 0,
    "F_WRLCK": 1,
    "F_UNLCK": 2,
    "F_DUPFD_CLOEXEC": 1030,
    "FD_CLOEXEC": 1,
}
# Descriptors from here on are sockets, which the C library does not know.
_SOCKETS: Final = 1 << 28

_File = tuple[int, int]
# The locks of each file: what each descriptor holds, and the file object that was passed.
_held: Final[dict[_File, dict[int, tuple[int, Any]]]] = {}
_inheritable: Final[set[int]] = set()


def build() -> types.ModuleType:
    """The module `fcntl`."""
    module = types.ModuleType("fcntl", "Locks of files within this process.")
    vars(module).update(_CONSTANTS, flock=flock, lockf=lockf, fcntl=fcntl, ioctl=ioctl)
    return module


def _number(fd: Any) -> int:
    if isinstance(fd, int):
        number = fd
    else:
        try:
            number = fd.fileno()
        except AttributeError:
            text = "argument must be an int, or have a fileno() method."
            raise TypeError(text) from None
    if number < 0:
        raise ValueError(f"file descriptor cannot be a negative integer ({number})")
    return number


def _file(number: int) -> _File:
    status = os.fstat(number)
    return (status.st_dev, status.st_ino)


def _drop_closed(file: _File) -> dict[int, tuple[int, Any]]:
    """Returns the locks that are still held on a file: closing releases a lock."""
    holders = _held.setdefault(file, {})
    for number, (_, by) in tuple(holders.items()):
        opened = by() if by is not None else None
        is_closed = by is not None and (opened is None or opened.closed)
        try:
            is_closed = is_closed or _file(number) != file
        except OSError:
            is_closed = True
        if is_closed:
            del holders[number]
    return holders


def _is_free(file: _File, number: int, wanted: int) -> bool:
    others = [kind for other, (kind, _) in _drop_closed(file).items() if other != number]
    return not others or (wanted == LOCK_SH and LOCK_EX not in others)


def flock(fd: Any, operation: int, /) -> None:
    """Takes or releases the lock of what was opened.

    Raises:
        BlockingIOError: somebody else has it, and `LOCK_NB` was set.
        Stuck: its holder cannot release it while this waits.
    """
    number = _number(fd)
    file = _file(number)
    wanted = operation & ~LOCK_NB
    if wanted == LOCK_UN:
        _drop_closed(file).pop(number, None)
        return
    if wanted not in (LOCK_SH, LOCK_EX):
        raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))
    if not _is_free(file, number, wanted):
        if operation & LOCK_NB:
            raise BlockingIOError(errno.EWOULDBLOCK, os.strerror(errno.EWOULDBLOCK))
        what = "waiting for the lock of a file that this program holds itself"
        cooperation.wait(lambda: _is_free(file, number, wanted), what=what)
    try:
        by = weakref.ref(fd) if hasattr(fd, "closed") else None
    except TypeError:
        by = None
    _held[file][number] = (wanted, by)


def lockf(fd: Any, cmd: int, len: int = 0, start: int = 0, whence: int = 0, /) -> None:
    """Locks a part of a file for this process; nobody else could have it."""
    os.fstat(_number(fd))
    if cmd & ~LOCK_NB not in (LOCK_SH, LOCK_EX, LOCK_UN):
        raise ValueError("unrecognized lockf argument")


def fcntl(fd: Any, cmd: int, arg: Any = 0, /) -> Any:
    """Returns what is known of a descriptor."""
    number = _number(fd)
    if number < _SOCKETS:
        os.fstat(number)
    if cmd == _CONSTANTS["F_GETFD"]:
        return 0 if number in _inheritable else 1
    if cmd == _CONSTANTS["F_SETFD"]:
        (_inheritable.discard if arg & 1 else _inheritable.add)(number)
        return 0
    if cmd == _CONSTANTS["F_GETFL"]:
        return _flags(number)
    if cmd == _CONSTANTS["F_SETFL"]:
        if (arg ^ _flags(number)) & os.O_NONBLOCK:
            os.set_blocking(number, not arg & os.O_NONBLOCK)
        return 0
    raise unsupported.error(
        f"fcntl.fcntl command {cmd}",
        "WASI has no such command",
        "use F_GETFD, F_SETFD, F_GETFL, F_SETFL, flock or lockf",
    )


def _flags(number: int) -> int:
    if number >= _SOCKETS:
        return os.O_RDWR
    reads, writes = _may(os.read, number, 0), _may(os.write, number, b"")
    flags = os.O_RDWR if reads and writes else os.O_WRONLY if writes else os.O_RDONLY
    return flags if os.get_blocking(number) else flags | os.O_NONBLOCK


def _may(function: Any, *arguments: Any) -> bool:
    try:
        function(*arguments)
    except OSError:
        return False
    return True


def ioctl(fd: Any, request: int, arg: Any = 0, mutate_flag: bool = True, /) -> Any:
    """Fails, because no descriptor is a device."""
    os.fstat(_number(fd))
    raise OSError(errno.ENOTTY, os.strerror(errno.ENOTTY))
