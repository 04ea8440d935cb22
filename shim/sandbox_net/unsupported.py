"""The one kind of error for what one process without threads cannot do.

It is an `OSError`, which CPython raises for a missing system call, and a `NotImplementedError`,
which its modules raise for a missing platform feature. So programs that catch either continue as
usual.
"""

import errno
from collections.abc import Callable
from typing import Any, Final

_NUMBER: Final = getattr(errno, "ENOTSUP", errno.EINVAL)


class Unsupported(OSError, NotImplementedError):
    """Something that this sandbox lacks; the text says why, and what to use instead."""

    def __str__(self) -> str:
        return str(self.strerror)


class Stuck(RuntimeError):
    """A wait that could never end, because nobody can end it."""


def error(what: str, why: str, instead: str) -> Unsupported:
    """Makes an error that says what was requested, why it is missing, and what to use instead."""
    return Unsupported(_NUMBER, f"sandbox-net: {what} is not supported: {why}; {instead}")


def refusing(what: str, why: str, instead: str) -> Callable[..., Any]:
    """Makes a function that raises `error`."""

    def refuse(*_args: object, **_options: object) -> Any:
        raise error(what, why, instead)

    refuse.__name__ = refuse.__qualname__ = what.rpartition(".")[2]
    refuse.__doc__ = f"Raises `OSError`: {why}."
    return refuse
