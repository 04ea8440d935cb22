"""Sends functions of test files to the process that has the servers.

Many tests have the server's half as a function inside the test, for a thread. A sandbox has no
threads and accepts no connections, so such a function runs outside. Its code is found there in the
same file at the same line. What it shares with the test (the cells of its closure, lists,
attributes of the test case, events) is sent along as JSON. What the function changed comes back
with `changes`.
"""

from __future__ import annotations

import atexit
import contextlib
import functools
import importlib
import os
import shutil
import sys
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import CellType, CodeType, FunctionType
from typing import Any

Packed = list[Any]

#: The types of the attributes of test cases that are sent.
PLAIN = (str, bytes, int, float, type(None), dict, list)


class Event:
    """A `threading.Event` outside, that both halves of a test use."""

    def __init__(self, number: int) -> None:
        self.number = number


class Packer:
    """Describes values as JSON, and later applies changes to them."""

    def __init__(self, root: str, event: type[Event] = Event) -> None:
        self._root = root.rstrip("/") + "/"
        self._event = event
        self._setters: list[Callable[[Any], None]] = []
        self._places: dict[int, int] = {}
        self._kept: list[object] = []
        self._empty: dict[int, CellType] = {}

    def pack(self, value: Any) -> Packed:
        """Describes one value."""
        if isinstance(value, str):
            return self._pack_text(value)
        if value is None or isinstance(value, bool | int | float):
            return ["plain", value]
        if isinstance(value, bytes | bytearray):
            return ["bytes", bytes(value).decode("latin-1")]
        if isinstance(value, tuple):
            return ["tuple", [self.pack(item) for item in value]]
        if isinstance(value, dict):
            items = [[self.pack(key), self.pack(item)] for key, item in value.items()]
            return ["dict", items]
        if isinstance(value, list):
            place = self._place(value, partial(value.__setitem__, slice(None)))
            return ["list", place, [self.pack(item) for item in value]]
        if isinstance(value, self._event):
            return ["event", value.number]
        if isinstance(value, type | FunctionType) and "<locals>" not in value.__qualname__:
            return ["global", value.__module__, value.__qualname__]
        if isinstance(value, FunctionType):
            return ["function", self._pack_function(value)]
        if hasattr(value, "_start_server"):
            return self._pack_case(value)
        raise TypeError(f"a {type(value).__name__} is not carried outside: {value!r}")

    def _pack_text(self, value: str) -> Packed:
        if value.startswith(self._root):
            return ["source", value.removeprefix(self._root)]
        if value.startswith(tempfile.gettempdir()) and os.path.isfile(value):
            return ["file", os.path.basename(value), Path(value).read_text()]
        return ["plain", value]

    def _pack_function(self, function: FunctionType) -> dict[str, Any]:
        code = function.__code__
        cells = []
        for name, cell in zip(code.co_freevars, function.__closure__ or (), strict=True):
            place = self._place(cell, partial(setattr, cell, "cell_contents"))
            try:
                cells.append([name, place, self.pack(cell.cell_contents)])
            except ValueError:  # it is still empty
                cells.append([name, place, None])
                self._empty[place] = cell
        return {
            "module": function.__module__,
            "name": code.co_name,
            "line": code.co_firstlineno,
            "defaults": self.pack(function.__defaults__),
            "cells": cells,
        }

    def _pack_case(self, case: object) -> Packed:
        """Describes a test case: those attributes of it and its classes that can be sent."""
        found: dict[str, Any] = {}
        for holder in [*reversed(type(case).__mro__), case]:
            found.update(vars(holder) if hasattr(holder, "__dict__") else {})
        attributes = {}
        for name, value in found.items():
            if not name.startswith("__") and isinstance(value, PLAIN):
                with contextlib.suppress(TypeError):
                    attributes[name] = self.pack(value)
        place = self._place(case, lambda new: vars(case).update(new))
        return ["case", place, type(case).__module__, type(case).__qualname__, attributes]

    def _place(self, holder: object, setter: Callable[[Any], None]) -> int:
        if id(holder) not in self._places:
            self._places[id(holder)] = len(self._setters)
            self._kept.append(holder)  # its identity is valid while it lives
            self._setters.append(setter)
        return self._places[id(holder)]

    def filled(self) -> dict[int, Packed]:
        """Returns the contents of cells that were empty when they were described."""
        filled = {}
        for place, cell in list(self._empty.items()):
            with contextlib.suppress(ValueError):
                filled[place] = self.pack(cell.cell_contents)
                del self._empty[place]
        return filled

    def take_in(self, changes: dict[str, Packed]) -> None:
        """Applies the result of `Unpacker.changes`."""
        for place, packed in changes.items():
            self._setters[int(place)](Unpacker("/", {}).unpack(packed))


@functools.cache
def _files() -> str:
    """Return the directory of files that are made here; it goes with the process."""
    directory = tempfile.mkdtemp(prefix="parcel-")
    atexit.register(shutil.rmtree, directory, ignore_errors=True)
    return directory


class Unpacker:
    """Makes values from descriptions, and later reports their changes."""

    def __init__(self, root: str, events: dict[int, Any]) -> None:
        self._root = root
        self._events = events
        self._cells: dict[int, CellType] = {}
        self._getters: dict[int, Callable[[], Any]] = {}
        self._known: dict[int, Packed | None] = {}
        self._set_up: set[object] = set()

    def unpack(self, packed: Packed) -> Any:
        """Makes the described value."""
        match packed:
            case ["plain", value]:
                return value
            case ["bytes", text]:
                return text.encode("latin-1")
            case ["tuple", items]:
                return tuple(self.unpack(item) for item in items)
            case ["dict", items]:
                return {self.unpack(key): self.unpack(value) for key, value in items}
            case ["list", place, items]:
                made = [self.unpack(item) for item in items]
                self._watch(place, lambda: made)
                return made
            case ["event", number]:
                return self._events[number]
            case ["source", path]:
                return os.path.join(self._root, path)
            case ["file", name, text]:
                path = Path(tempfile.mkdtemp(dir=_files()), name)
                path.write_text(text)
                return str(path)
            case ["global", module, name]:
                return resolve(module, name)
            case ["function", function]:
                return self._function(**function)
            case ["case", place, module, name, attributes]:
                return self._case(place, resolve(module, name), attributes)
        raise ValueError(f"not a description: {packed!r}")

    def _function(
        self, module: str, name: str, line: int, defaults: Packed, cells: list[list[Any]]
    ) -> FunctionType:
        code = find_code(module, name, line)
        made = {}
        for cell_name, place, packed in cells:
            made[cell_name] = self._cell(place, packed)
        closure = tuple(made[free] for free in code.co_freevars)
        scope = vars(importlib.import_module(module))
        return FunctionType(code, scope, name, self.unpack(defaults), closure)

    def _cell(self, place: int, packed: Packed | None) -> CellType:
        if place not in self._cells:
            cell = self._cells[place] = CellType()
            if packed is not None:
                cell.cell_contents = self.unpack(packed)
            self._watch(place, lambda: cell.cell_contents)
        return self._cells[place]

    def _case(self, place: int, kind: Any, attributes: dict[str, Packed]) -> Any:
        if kind not in self._set_up and hasattr(kind, "setup_class"):
            # Objects that cannot be sent, such as a TLS context, are made here again.
            kind.setup_class()
            self._set_up.add(kind)
        case = kind.__new__(kind)
        sent = {name: self.unpack(value) for name, value in attributes.items()}
        vars(case).update(sent)
        before = {name: describe(value) for name, value in sent.items()}
        self._watch(place, lambda: changed_attributes(case, before))
        return case

    def _watch(self, place: int, getter: Callable[[], Any]) -> None:
        self._getters[place] = getter
        self._known[place] = self._describe(place)

    def _describe(self, place: int) -> Packed | None:
        try:
            return describe(self._getters[place]())
        except ValueError:  # an empty cell
            return None

    def fill(self, filled: dict[str, Packed]) -> None:
        """Fills in the result of `Packer.filled`."""
        for place, packed in filled.items():
            self._cells[int(place)].cell_contents = self.unpack(packed)

    def changes(self) -> dict[str, Packed]:
        """Returns what the functions changed since the last call, by its place."""
        changes = {}
        for place in self._getters:
            now = self._describe(place)
            if now is not None and now != self._known[place]:
                self._known[place] = now
                changes[str(place)] = now
        return changes


def describe(value: Any) -> Packed | None:
    """Describes what is here, unless it is of a kind that stays here, such as a socket."""
    try:
        return Packer("/nowhere").pack(value)
    except TypeError:
        return None


def changed_attributes(case: object, before: dict[str, Packed | None]) -> dict[str, Any]:
    """Returns the plain attributes of a test case that changed."""
    return {
        name: value
        for name, value in list(vars(case).items())
        if isinstance(value, PLAIN) and describe(value) not in (None, before.get(name))
    }


def resolve(module: str, name: str) -> Any:
    """Returns the object of a module with a qualified name."""
    found: Any = importlib.import_module(module)
    for part in name.split("."):
        found = getattr(found, part)
    return found


def find_code(module: str, name: str, line: int) -> CodeType:
    """Returns the code of the function that begins at a line of a module's file."""
    importlib.import_module(module)
    path = sys.modules[module].__file__ or ""
    waiting = [compile(Path(path).read_bytes(), path, "exec")]
    while waiting:
        code = waiting.pop()
        if (code.co_name, code.co_firstlineno) == (name, line):
            return code
        waiting += [inner for inner in code.co_consts if isinstance(inner, CodeType)]
    raise LookupError(f"{path} has no function {name} at line {line}")
