"""Streams as `python -u` makes them, and as a terminal needs them.

It takes the place of what the distribution's entry does before a program: that also seeds generators
again, and takes the time in another unit than `logging`. `fresh` does both.
"""

import io
import sys

from . import entry, fresh

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
        for name, fd in _STREAMS:
            stream = _unbuffered(getattr(sys, name), fd)
            setattr(sys, name, stream)
            setattr(sys, f"__{name}__", stream)
            give_names(stream, f"<{name}>")
    elif not sys.stdout.line_buffering and sys.stdout.isatty():
        sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]


def _unbuffered(old: io.TextIOWrapper, fd: int) -> io.TextIOWrapper:
    old.flush()
    raw = io.FileIO(fd, "w", closefd=False)
    return io.TextIOWrapper(
        raw,  # type: ignore[type-var]
        encoding=old.encoding,
        errors=old.errors,
        write_through=True,
    )


def give_names(stream: object, name: str) -> None:
    """Gives an unbuffered text stream its name and its mode."""
    if isinstance(stream, io.TextIOWrapper) and isinstance(stream.buffer, io.FileIO):
        stream.buffer.name = name
        vars(stream)["mode"] = "w"
