"""Streams as `python -u` makes them, and as a terminal needs them.

It takes the place of what the distribution's entry does before a program: that also seeds
generators again, and takes the time in another unit than `logging`. `fresh` does both.
"""

import io
import sys
from typing import Any

from . import entry, fresh, ready_modules

_STREAMS = (("stdout", 1), ("stderr", 2))


def adapt() -> None:
    """Changes the entry."""
    inside = entry.find()
    if inside is not None:
        inside["_refresh"] = refresh


def refresh(unbuffered: bool) -> None:
    """Runs once the environment is the program's."""
    fresh.with_environment()
    if unbuffered:
        ready_modules.streams_are_replaced()
        for name, fd in _STREAMS:
            old = getattr(sys, name)
            stream = _unbuffered(old, fd)
            setattr(sys, name, stream)
            setattr(sys, f"__{name}__", stream)
            give_names(stream, f"<{name}>")
            _change_handlers(old, stream)
        return
    stdout: Any = sys.stdout
    if not stdout.line_buffering and stdout.isatty():
        stdout.reconfigure(line_buffering=True)


def _change_handlers(old: io.TextIOWrapper, new: io.TextIOWrapper) -> None:
    """Lets the handlers that imports have made write to the stream that a program has."""
    logging = sys.modules.get("logging")
    for reference in logging._handlerList if logging is not None else ():
        handler = reference()
        if getattr(handler, "stream", None) is old:
            handler.stream = new


def _unbuffered(old: io.TextIOWrapper, fd: int) -> io.TextIOWrapper:
    old.flush()
    raw = io.FileIO(fd, "w", closefd=False)
    return io.TextIOWrapper(
        raw,
        encoding=old.encoding,
        errors=old.errors,
        write_through=True,
    )


def give_names(stream: object, name: str) -> None:
    """Gives an unbuffered text stream its name and its mode."""
    if isinstance(stream, io.TextIOWrapper) and isinstance(stream.buffer, io.FileIO):
        stream.buffer.name = name
        vars(stream)["mode"] = "w"
