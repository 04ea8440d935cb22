"""The one kind of error for what one process without threads cannot do.

It is an `OSError`, as from CPython where a system call is missing, and a `NotImplementedError`, as
from its modules where a platform has no such thing: whoever catches one of them goes on as there.
"""

import errno
from collections.abc import Callable
from typing import Any, Final

_NUMBER: Final = getattr(errno, "ENOTSUP", errno.EINVAL)


class Unsupported(OSError, NotImplementedError):
    """Something that this sandbox does not have; the text says why, and what to use instead."""

    def __str__(self) -> str:
        return str(self.strerror)


class Stuck(RuntimeError):
    """A wait that could never end, as nobody is there who could end it."""


def error(what: str, why: str, instead: str) -> Unsupported:
    """An error that names what was asked for, why there is none, and what to use."""
    return Unsupported(_NUMBER, f"sandbox-net: {what} is not supported: {why}; {instead}")


def refusing(what: str, why: str, instead: str) -> Callable[..., Any]:
    """A function that raises `error`."""

    def refuse(*_args: object, **_options: object) -> Any:
        raise error(what, why, instead)

    refuse.__name__ = refuse.__qualname__ = what.rpartition(".")[2]
    refuse.__doc__ = f"Raises `OSError`: {why}."
    return refuse
