"""The test's half of what is shared with functions outside: see `parcel.py`."""

from __future__ import annotations

import json
import os
import threading
from types import ModuleType
from typing import Any

from outside import call
from parcel import Event, Packer

_packers: dict[int, Packer] = {}


class RemoteEvent(Event):
    """In place of `threading.Event` in the modules of tests."""

    def __init__(self) -> None:
        super().__init__(call("new_event"))

    def _call(self, method: str, *arguments: object) -> Any:
        result = call("event", number=self.number, method=method, arguments=arguments)
        take_in_changes()
        return result

    def is_set(self) -> bool:
        """Whether it is set."""
        return bool(self._call("is_set"))

    def set(self) -> None:
        """Sets it."""
        self._call("set")

    def clear(self) -> None:
        """Takes that back."""
        self._call("clear")

    def wait(self, timeout: float | None = None) -> bool:
        """Waits until it is set."""
        return bool(self._call("wait", timeout))


def new_packer() -> Packer:
    """For what belongs to one server."""
    return Packer(json.loads(os.environ["SUITE"])["root"], RemoteEvent)


def remember(number: int, packer: Packer) -> None:
    """The server with this number has what `packer` described."""
    _packers[number] = packer


def forget(number: int) -> None:
    """The test of this server is over."""
    _packers.pop(number, None)


def take_in_changes() -> None:
    """Lets the test see what its functions outside changed."""
    for number, packer in _packers.items():
        packer.take_in(call("changes", number=number))


def send_filled() -> None:
    """Lets the functions outside see variables that the test has set only now."""
    for number, packer in _packers.items():
        filled = packer.filled()
        if filled:
            call("fill", number=number, filled=filled)


def replace_events(module: ModuleType) -> None:
    """Has a module make its events outside."""
    if getattr(module, "Event", None) is threading.Event:
        module.Event = RemoteEvent  # type: ignore[attr-defined]
    if getattr(module, "threading", None) is threading:
        replaced = ModuleType("threading")
        vars(replaced).update(vars(threading), Event=RemoteEvent)
        module.threading = replaced  # type: ignore[attr-defined]
