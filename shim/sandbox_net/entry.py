"""Finds the entry of the distribution, in which the preparation runs."""

import sys
from collections.abc import Callable
from types import FrameType, FunctionType
from typing import Any, Final

# The name of what takes the turns.
TURN: Final = "_sandbox_net_turn"


def find() -> dict[str, Any] | None:
    """The globals of the entry, or None where there is none, as natively."""
    frame: FrameType | None = sys._getframe()
    while frame is not None:
        if frame.f_globals.get("__name__") == "_reactor":
            return frame.f_globals
        frame = frame.f_back
    return None


def detach_turn(inside: dict[str, Any]) -> Callable[..., Any]:
    """Makes the entry's `turn` call what `inside[TURN]` is; returns what took the turns so far.

    The C code has kept the function itself since the first turn, so that another one of this name
    would never be called: it is the function's code that is replaced.
    """
    if TURN in inside:
        taken: Callable[..., Any] = inside[TURN]
        return taken
    stock = inside["turn"]
    otherwise = FunctionType(stock.__code__, inside, stock.__name__)
    inside[TURN] = otherwise
    stock.__code__ = _turn.__code__
    return otherwise


def _turn(source: bytes | None, environ: Any) -> Any:
    return _sandbox_net_turn(source, environ)  # type: ignore[name-defined]  # noqa: F821
