"""Modules that an automatic snapshot has imported, and that a program gets when it imports them.

Until then the interpreter looks as if they had not been imported: they are not in `sys.modules`,
and what they did to warnings, and for the program's end, is undone. A module is given out together
with all that its import imports, and only where its own import would come to the same: if it read
another environment, or if the program has put something else in the place of what it imports, it
is imported as usual.
"""

import atexit
import builtins
import copy
import os
import sys
import warnings
from collections.abc import Iterable, Sequence
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any, Final, NamedTuple

from . import fresh

# Where nothing of a program's own comes from.
_INSTALLED: Final = ("/packages", "/usr/local/lib/")


class Exit(NamedTuple):
    """What runs at a program's end, by `atexit`."""

    # Of all registrations, in their order.
    number: int
    function: Any
    given: tuple[Any, ...]
    named: dict[str, Any]


class Ready(NamedTuple):
    """A module that waits for its import."""

    module: Any
    # The modules that its import imports.
    needs: tuple[str, ...]
    # The variables that its import read; None for one that was not set.
    variables: dict[str, str | None]
    # What it put into `warnings.filters`, and whether at the end.
    filters: tuple[tuple[Any, bool], ...]
    # What it put into `sys.meta_path`.
    finders: tuple[Any, ...]
    # What it registered for the program's end.
    exits: tuple[Exit, ...]
    # The attribute of its package that it is.
    attribute: tuple[ModuleType, str] | None


_ready: dict[str, Ready] = {}
# Of those that programs import first.
_groups: dict[str, "Group"] = {}
# Whether some of them may have kept a standard stream.
_may_keep_streams = False
_is_off = False
_path_hooks: list[Any] = []
_import: Final = builtins.__import__


class Group(NamedTuple):
    """All that the import of a module imports."""

    modules: dict[str, Any]
    variables: dict[str, str | None]
    # Each with the name of its module.
    attributes: tuple[tuple[str, ModuleType, str], ...]
    filters: tuple[tuple[str, Any, bool], ...]
    finders: tuple[tuple[str, Any], ...]
    exits: tuple[tuple[str, Exit], ...]


def keep(modules: dict[str, Ready], imported: Iterable[str], may_keep_streams: bool) -> None:
    """Hides these modules, in the order of their imports, until a program imports them."""
    global _may_keep_streams
    _may_keep_streams = may_keep_streams
    _path_hooks[:] = sys.path_hooks
    _ready.update(modules)
    for name in imported:
        if name in _ready:
            _groups[name] = _group(name)
    for name, ready in modules.items():
        sys.modules.pop(name, None)
        if ready.attribute is not None:
            package, attribute = ready.attribute
            vars(package).pop(attribute, None)
    sys.meta_path.insert(0, _Finder())


def streams_are_replaced() -> None:
    """Lets programs import everything as usual, where modules may have the streams before."""
    global _is_off
    _is_off = _may_keep_streams


def _group(name: str) -> Group:
    found = {name}
    waiting = [name]
    while waiting:
        for need in _ready[waiting.pop()].needs:
            if need not in found:
                found.add(need)
                waiting.append(need)
    members = {each: ready for each, ready in _ready.items() if each in found}
    variables: dict[str, str | None] = {}
    for ready in members.values():
        variables.update(ready.variables)
    exits = [(each, one) for each, it in members.items() for one in it.exits]
    return Group(
        {each: ready.module for each, ready in members.items()},
        variables,
        tuple((each, *it.attribute) for each, it in members.items() if it.attribute is not None),
        tuple((each, *one) for each, it in members.items() for one in it.filters),
        tuple((each, one) for each, it in members.items() for one in it.finders),
        tuple(sorted(exits, key=lambda exit: exit[1].number)),
    )


def together(name: str) -> Group | None:
    """What the import of a module imports; None if it would come to something else."""
    group = _groups.get(name) or _group(name)
    modules = sys.modules
    if not modules.keys().isdisjoint(group.modules):
        for each, module in group.modules.items():
            if modules.get(each, module) is not module:
                return None
    environ = os.environ
    for variable, value in group.variables.items():
        if environ.get(variable) != value:
            return None
    return group if _names_of_the_programs().isdisjoint(group.modules) else None


def _names_of_the_programs() -> set[str]:
    """The modules in directories that come before those of packages."""
    names: set[str] = set()
    for path in sys.path:
        if path.startswith(_INSTALLED):
            break
        try:
            entries = os.listdir(path or ".")
        except OSError:
            continue
        names.update(entry.partition(".")[0] for entry in entries)
    return names


def give(group: Group) -> None:
    """Makes modules imported, with all that their imports do."""
    modules = sys.modules
    new = group.modules.keys() - modules.keys()
    for name, module in group.modules.items():
        if name in new:
            modules[name] = module
    for name in fresh.renewed(new):
        fresh.begin(name, group.modules[name])
    for name, package, attribute in group.attributes:
        if name in new:
            vars(package)[attribute] = group.modules[name]
    for name, item, at_end in group.filters:
        if name in new:
            warnings._add_filter(*item, append=at_end)  # type: ignore[attr-defined]
    for name, finder in group.finders:
        if name in new and finder not in sys.meta_path:
            sys.meta_path.append(finder)
    for name, each in group.exits:
        if name in new:
            atexit.register(each.function, *each.given, **each.named)


class _Finder:
    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Finds a module that is ready, unless it is loaded again."""
        ready = _ready.get(fullname)
        if ready is None or target is not None or _is_off or not self._is_first():
            return None
        group = together(fullname)
        if group is None:
            return None
        own = getattr(ready.module, "__spec__", None)
        loader: Any = _Loader(ready.module, own, group)
        if own is None:
            return ModuleSpec(fullname, loader)
        spec: ModuleSpec = copy.copy(own)
        spec.name, spec.loader = fullname, loader
        return spec

    def _is_first(self) -> bool:
        """Whether the program has not changed how modules are found: it would see each import."""
        return (
            sys.meta_path[0] is self
            and sys.path_hooks == _path_hooks
            and builtins.__import__ is _import
        )


class _Loader:
    """Gives out a module that is ready; otherwise it is the module's own loader."""

    def __init__(self, module: Any, spec: ModuleSpec | None, group: Group) -> None:
        self._module = module
        self._spec = spec
        self._group = group

    def create_module(self, spec: ModuleSpec) -> Any:
        """Returns the module."""
        return self._module

    def exec_module(self, module: ModuleType) -> None:
        """Makes all that its import imports imported."""
        spec = module.__spec__
        module.__spec__ = self._spec
        if spec is not None:
            # The import system has put it there before it is executed.
            sys.modules.pop(spec.name, None)
        give(self._group)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._spec and self._spec.loader, name)
