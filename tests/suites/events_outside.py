"""The test's half of the objects that it shares with functions outside: see `parcel.py`."""

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
    """Replaces `threading.Event` in the modules of tests."""

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
        """Clears it."""
        self._call("clear")

    def wait(self, timeout: float | None = None) -> bool:
        """Waits until it is set."""
        return bool(self._call("wait", timeout))


def new_packer() -> Packer:
    """The objects that one server shares."""
    return Packer(json.loads(os.environ["SUITE"])["root"], RemoteEvent)


def remember(number: int, packer: Packer) -> None:
    """Gives the server with this number the objects that `packer` described."""
    _packers[number] = packer


def forget(number: int) -> None:
    """Forgets the server, because its test is over."""
    _packers.pop(number, None)


def take_in_changes() -> None:
    """Updates the test with what its functions outside changed."""
    for number, packer in _packers.items():
        packer.take_in(call("changes", number=number))


def send_filled() -> None:
    """Sends variables that the test has set only now to the functions outside."""
    for number, packer in _packers.items():
        filled = packer.filled()
        if filled:
            call("fill", number=number, filled=filled)


def replace_events(module: ModuleType) -> None:
    """Makes a module create its events outside."""
    if getattr(module, "Event", None) is threading.Event:
        module.Event = RemoteEvent  # type: ignore[attr-defined]
    if getattr(module, "threading", None) is threading:
        replaced = ModuleType("threading")
        vars(replaced).update(vars(threading), Event=RemoteEvent)
        module.threading = replaced  # type: ignore[attr-defined]
