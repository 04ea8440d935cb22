"""Streams as `python -u` makes them, where those of the distribution's entry differ."""

import io
import sys
from typing import Any

from . import entry

_NAMES = ("stdout", "stderr")


def adapt() -> None:
    """Changes the entry: what it makes anew for `-u` gets the names that CPython gives."""
    inside = entry.find()
    if inside is None:
        return
    refresh = inside["_refresh"]

    def named(*arguments: Any) -> None:
        refresh(*arguments)
        for name in _NAMES:
            give_names(getattr(sys, name), f"<{name}>")

    inside["_refresh"] = named


def give_names(stream: object, name: str) -> None:
    """Gives an unbuffered text stream its name and its mode."""
    if isinstance(stream, io.TextIOWrapper) and isinstance(stream.buffer, io.FileIO):
        stream.buffer.name = name
        vars(stream)["mode"] = "w"
