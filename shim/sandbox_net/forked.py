"""Takes away from a forked session what is its parent's: open files, descriptors and connections.

The copy has new descriptors, of which none is open. So objects with one of the parent's are closed,
and their numbers are not given to files that are opened later.
"""

import contextlib
import errno
import gc
import io
import os
import sys
import weakref
from collections.abc import Callable, Iterable
from typing import Any, Final, NoReturn

from . import fresh

_STANDARD: Final = frozenset({0, 1, 2})
# Descriptors that a program may have: the adapter's own bound.
_MOST: Final = 128
_RAW: Final = io.FileIO
_KINDS: Final = (_RAW, io.BufferedReader, io.BufferedWriter, io.BufferedRandom, io.TextIOWrapper)
_METHODS: Final = (
    "read",
    "read1",
    "readall",
    "readinto",
    "readinto1",
    "readline",
    "readlines",
    "write",
    "writelines",
    "seek",
    "tell",
    "truncate",
    "peek",
    "fileno",
    "flush",
)

# What the parent has open, as it was when it was looked at before the fork.
_descriptors: list[int] = []
_files: list[Callable[[], Any]] = []


def look() -> None:
    """Runs in the parent, before a fork, if it has something open."""
    global _descriptors, _files
    _descriptors = [fd for fd in range(_MOST) if _is_open(fd)]
    _files = [weakref.ref(each) for each in _open_files()]


def start(has_open: bool, variables: str) -> None:
    """Runs in the copy, before its first turn.

    `has_open` if the parent was looked at. `variables` are new ones, as JSON, if there are.
    """
    if variables:
        import json

        os.environ.update(json.loads(variables))
    if has_open:
        own = _STANDARD.union(fd for fd in _descriptors if _is_open(fd))
        _close_files(own)
        _keep_closed({fd for fd in _descriptors if fd not in own})
    if "sandbox_net.endpoint" in sys.modules:
        from . import severed  # an interpreter without a network has none of it

        severed.sever_all()
    fresh.start()


def _is_open(fd: int) -> bool:
    try:
        os.fstat(fd)
    except OSError as error:
        return error.errno != errno.EBADF
    return True


def _open_files() -> Iterable[Any]:
    for each in gc.get_objects():
        # An object may claim another class.
        if issubclass(type(each), _KINDS):
            with contextlib.suppress(Exception):
                if not each.closed:
                    yield each


def _close_files(own: frozenset[int]) -> None:
    """Closes the parent's files; what they have not written yet is the parent's to write."""
    found = [each for each in (ref() for ref in _files) if each is not None]
    for each in found:
        if issubclass(type(each), _RAW):
            with contextlib.suppress(OSError, ValueError):
                if _RAW.fileno(each) not in own:
                    _RAW.close(each)
    for each in found:
        with contextlib.suppress(Exception):
            if each.closed:
                _explain(each)


def _explain(file: Any) -> None:
    for name in _METHODS:
        if hasattr(file, name):
            with contextlib.suppress(AttributeError, TypeError):
                setattr(file, name, _refuse)


def _refuse(*_arguments: Any, **_named: Any) -> NoReturn:
    raise ValueError(
        "I/O operation on closed file: it was open in the session of which this one is a fork; "
        "open it again"
    )


def _keep_closed(numbers: set[int]) -> None:
    """Takes descriptors that the program may still use, so that they are no file's.

    They are those of a directory that is gone: to read and to write them is an error.
    """
    if not numbers:
        return
    name = f"/tmp/.sandbox-net-{os.urandom(8).hex()}"
    try:
        os.mkdir(name)
    except OSError:
        name = "/"
    left, others = set(numbers), []
    try:
        for _ in range(_MOST):
            fd = os.open(name, os.O_RDONLY | os.O_DIRECTORY)
            if fd not in left:
                others.append(fd)
            left.discard(fd)
            if not left:
                break
    except OSError:
        pass  # there are as many as there can be
    for fd in others:
        os.close(fd)
    if name != "/":
        os.rmdir(name)
