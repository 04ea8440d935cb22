"""Events and functions of tests, for the `servers.py` of the libraries whose tests need threads."""

from __future__ import annotations

import threading
from typing import Any

from parcel import Unpacker

#: The most seconds to wait for an event.
PATIENCE = 10.0

events: dict[int, threading.Event] = {}
unpackers: dict[int, Unpacker] = {}


def new_event() -> int:
    """Makes an event; returns its number."""
    number = len(events)
    events[number] = threading.Event()
    return number


def event(number: int, method: str, arguments: list[Any]) -> Any:
    """Calls a method of an event; waiting ends after a while."""
    if method == "wait":
        limit = PATIENCE if arguments[0] is None else arguments[0]
        return events[number].wait(min(limit, PATIENCE))
    return getattr(events[number], method)(*arguments)


def changes(number: int) -> dict[str, Any]:
    """Returns what the functions of the server with this number changed."""
    return unpackers[number].changes()


def fill(number: int, filled: dict[str, Any]) -> None:
    """Receives variables that the test has set only now."""
    unpackers[number].fill(filled)
