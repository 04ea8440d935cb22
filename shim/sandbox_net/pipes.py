"""`os.pipe` within the process: its bytes are in memory.

The functions of `os` that take descriptors learn of pipes with the first one, so that programs
without pipes pay nothing.
"""

import errno
import io
import os
from typing import Any, Final

from . import cooperation

# As on Linux.
CAPACITY: Final = 65536
_FIRST: Final = 1 << 29

_FUNCTIONS: Final = (
    "read",
    "write",
    "close",
    "fdopen",
    "fstat",
    "isatty",
    "set_blocking",
    "get_blocking",
    "get_inheritable",
)
_stock: Final[dict[str, Any]] = {
    name: getattr(os, name) for name in _FUNCTIONS if hasattr(os, name)
}
_ends: Final[dict[int, "_End"]] = {}


class _Pipe:
    def __init__(self) -> None:
        self.bytes = bytearray()
        self.readers = self.writers = 1


class _End:
    def __init__(self, pipe: _Pipe, is_reader: bool) -> None:
        self.pipe = pipe
        self.is_reader = is_reader
        self.is_blocking = True


def add() -> None:
    """Adds `os.pipe` if it is missing."""
    if not hasattr(os, "pipe"):
        os.pipe = pipe
        os.pipe2 = pipe2
        os.__all__ += ["pipe", "pipe2"]


def pipe() -> tuple[int, int]:
    """Makes a pipe; returns the end to read from, and the end to write to."""
    for name in _stock:
        setattr(os, name, globals()[name])
    both = _Pipe()
    number = max(_ends, default=_FIRST - 1) + 1
    _ends[number], _ends[number + 1] = _End(both, True), _End(both, False)
    return number, number + 1


def pipe2(flags: int, /) -> tuple[int, int]:
    """As `pipe`; non-blocking if `flags` has `O_NONBLOCK`."""
    numbers = pipe()
    for number in numbers:
        _ends[number].is_blocking = not flags & os.O_NONBLOCK
    return numbers


def _failed(number: int) -> OSError:
    return OSError(number, os.strerror(number))


def read(fd: int, length: int, /) -> bytes:
    """As `os.read`."""
    end = _ends.get(fd)
    if end is None:
        data: bytes = _stock["read"](fd, length)
        return data
    if not end.is_reader:
        raise _failed(errno.EBADF)
    both = end.pipe
    if not both.bytes and both.writers and length:
        if not end.is_blocking:
            raise _failed(errno.EAGAIN)
        what = "waiting for bytes in an empty pipe"
        cooperation.wait(lambda: bool(both.bytes or not both.writers), what=what)
    found = bytes(both.bytes[:length])
    del both.bytes[:length]
    return found


def write(fd: int, data: Any, /) -> int:
    """As `os.write`."""
    end = _ends.get(fd)
    if end is None:
        written: int = _stock["write"](fd, data)
        return written
    if end.is_reader:
        raise _failed(errno.EBADF)
    both, data = end.pipe, bytes(memoryview(data))
    if end.is_blocking and both.readers and len(data) > CAPACITY - len(both.bytes):
        return _write_in_pieces(both, data)
    if not both.readers:
        raise _failed(errno.EPIPE)
    part = data[: CAPACITY - len(both.bytes)]
    if data and not part:
        raise _failed(errno.EAGAIN)
    both.bytes += part
    return len(part)


def _write_in_pieces(both: _Pipe, data: bytes) -> int:
    rest = memoryview(data)
    if cooperation.is_busy():
        # The reader could not wait for more once there is room: see `threads.put`.
        both.bytes += data
        return len(data)
    while rest:
        what = "waiting for room in a pipe that nobody reads"
        cooperation.wait(lambda: len(both.bytes) < CAPACITY or not both.readers, what=what)
        if not both.readers:
            raise _failed(errno.EPIPE)
        room = CAPACITY - len(both.bytes)
        both.bytes += rest[:room]
        rest = rest[room:]
    return len(data)


def close(fd: int) -> None:
    """As `os.close`."""
    end = _ends.pop(fd, None)
    if end is None:
        _stock["close"](fd)
    elif end.is_reader:
        end.pipe.readers -= 1
    else:
        end.pipe.writers -= 1


def fstat(fd: int) -> os.stat_result:
    """As `os.fstat`."""
    if fd not in _ends:
        status: os.stat_result = _stock["fstat"](fd)
        return status
    fifo = 0o010600
    return os.stat_result((fifo, fd, 0, 1, 0, 0, 0, 0, 0, 0))


def isatty(fd: int, /) -> bool:
    """As `os.isatty`."""
    return fd not in _ends and bool(_stock["isatty"](fd))


def set_blocking(fd: int, blocking: bool, /) -> None:
    """As `os.set_blocking`."""
    if fd in _ends:
        _ends[fd].is_blocking = bool(blocking)
    else:
        _stock["set_blocking"](fd, blocking)


def get_blocking(fd: int, /) -> bool:
    """As `os.get_blocking`."""
    if fd in _ends:
        return _ends[fd].is_blocking
    return bool(_stock["get_blocking"](fd))


def get_inheritable(fd: int, /) -> bool:
    """As `os.get_inheritable`."""
    return fd not in _ends and bool(_stock["get_inheritable"](fd))


class _Raw(io.RawIOBase):
    """One end of a pipe as a file."""

    def __init__(self, fd: int, closefd: bool) -> None:
        self._fd, self._closefd = fd, closefd
        self.name = fd

    def fileno(self) -> int:
        self._checkClosed()
        return self._fd

    def readable(self) -> bool:
        return _ends[self._fd].is_reader

    def writable(self) -> bool:
        return not _ends[self._fd].is_reader

    def readinto(self, buffer: Any) -> int | None:
        view = memoryview(buffer).cast("B")
        try:
            data = read(self._fd, len(view))
        except BlockingIOError:
            return None
        view[: len(data)] = data
        return len(data)

    def write(self, data: Any) -> int | None:
        try:
            return write(self._fd, data)
        except BlockingIOError:
            return None

    def close(self) -> None:
        if not self.closed:
            super().close()
            if self._closefd:
                close(self._fd)


def fdopen(
    fd: int,
    mode: str = "r",
    buffering: int = -1,
    encoding: str | None = None,
    *rest: Any,
    **more: Any,
) -> Any:
    """As `os.fdopen`."""
    if fd not in _ends:
        return _stock["fdopen"](fd, mode, buffering, encoding, *rest, **more)
    raw = _Raw(fd, more.pop("closefd", True))
    if not (raw.writable() if "w" in mode or "a" in mode else raw.readable()):
        raise _failed(errno.EBADF)
    if "b" in mode and buffering == 0:
        return raw
    size = buffering if buffering > 1 else io.DEFAULT_BUFFER_SIZE
    buffered: Any = io.BufferedReader(raw, size) if raw.readable() else io.BufferedWriter(raw, size)
    if "b" in mode:
        return buffered
    text: Any = io.TextIOWrapper
    return text(buffered, encoding, *rest, line_buffering=buffering == 1, **more)
