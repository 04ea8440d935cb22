"""What the programs of this folder share: prints one JSON object a line for each case."""

from __future__ import annotations

import errno
import json
import re
import socket
from collections.abc import Callable, Iterator
from typing import ParamSpec

_Parameters = ParamSpec("_Parameters")

# What exceptions contain besides their text; the last two are sandbox-net's own.
_ATTRIBUTES = (
    "verify_message",
    "verify_code",
    "partial",
    "expected",
    "code",
    "deny_reason",
    "limit",
)

_PERIOD = bytes((i * 7 + (i >> 8) * 13) & 0xFF for i in range(8191))
_PIECE = _PERIOD * 8


def emit(case: str, result: object) -> None:
    """Print the result of a case."""
    print(json.dumps({"case": case, "result": result}), flush=True)


def attempt(
    case: str,
    action: Callable[_Parameters, object],
    *args: _Parameters.args,
    **kwargs: _Parameters.kwargs,
) -> None:
    """Print the result of the action, or its exception with those inside it."""
    try:
        result = action(*args, **kwargs)
    except Exception as error:
        errors = [describe(inner) for inner in _chain(error)]
        print(json.dumps({"case": case, "errors": errors}), flush=True)
    else:
        emit(case, result)


def describe(error: BaseException) -> dict[str, object]:
    """The parts of an exception that are the same on every platform: no error numbers."""
    kind = type(error)
    module = "" if kind.__module__ == "builtins" else f"{kind.__module__}."
    description: dict[str, object] = {
        "type": module + kind.__qualname__,
        "bases": [base.__name__ for base in kind.__mro__[1:-2]],
        "text": re.sub(r"\[Errno -?\d+\] ", "", str(error)),
    }
    if isinstance(error, OSError) and error.errno is not None:
        description["errno"] = error_name(error)
        description["text"] = str(error.strerror)
    for name in _ATTRIBUTES:
        value = getattr(error, name, None)
        if isinstance(value, (str, int)):
            description[name] = value
        elif isinstance(value, bytes):
            description[name] = value.decode("latin-1")
    return description


def error_name(error: OSError) -> str:
    """The name of an error number, which differs between platforms."""
    if isinstance(error, socket.gaierror):
        names = [name for name in vars(socket) if name.startswith("EAI_")]
        found = [name for name in names if getattr(socket, name) == error.errno]
        return found[0] if found else str(error.errno)
    return errno.errorcode.get(error.errno or 0, str(error.errno))


def _chain(error: BaseException) -> list[BaseException]:
    """The exception, then everything that it contains or that caused it, each once."""
    found: list[BaseException] = []
    pending: list[object] = [error]
    while pending:
        inner = pending.pop(0)
        if isinstance(inner, BaseException) and all(inner is not known for known in found):
            found.append(inner)
            reason = getattr(inner, "reason", None)
            pending += [*inner.args, reason, inner.__cause__, inner.__context__]
    return found


def pattern(length: int) -> bytes:
    """The bytes that the servers' ``content`` module makes."""
    return (_PERIOD * (length // len(_PERIOD) + 1))[:length]


def pattern_pieces(length: int) -> Iterator[bytes]:
    """The same bytes in pieces."""
    while length > 0:
        yield _PIECE[:length]
        length -= len(_PIECE)
