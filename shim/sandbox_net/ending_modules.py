"""Destroys the program's modules in the order in which CPython's finalization destroys modules.

What was in the memory before the program stays, and is not looked at: it is exempt from the
collector. Only if it holds something of the program that has a finalizer (a class in a cache of
`typing` does so, for example) is all of it destroyed, as natively, which takes as long as natively.
"""

import builtins
import gc
import sys
import weakref
from collections.abc import Callable
from types import FrameType
from typing import Any, Final, TypeVar

from . import ending_holders, ending_leftovers

_Function = TypeVar("_Function", bound=Callable[..., Any])

# Where values of the program hide, in the order of CPython.
_OF_SYS: Final = (
    "path",
    "argv",
    "ps1",
    "ps2",
    "last_exc",
    "last_type",
    "last_value",
    "last_traceback",
    "path_hooks",
    "path_importer_cache",
    "meta_path",
)
_STREAMS: Final = ("stdin", "stdout", "stderr")
# What CPython adds only after it has copied the names, and does not restore.
_ADDED: Final = ("open", "_", "exit", "quit", "copyright", "credits", "license", "help")

_Module: Final = type(sys)
_modules: Final = sys.modules
_system: Final = vars(sys)
_builtins: Final = vars(builtins)
_first_builtins: Final = {name: value for name, value in _builtins.items() if name not in _ADDED}
# What was in `sys.modules` before the program.
_kept: Final[dict[str, Any]] = {}


def begin() -> None:
    """Notes which modules are not the program's."""
    _kept.clear()
    _kept.update(_modules)


def _as_sys(function: _Function) -> _Function:
    """Lets warnings that `function` causes come from where CPython's finalization warns."""
    code = function.__code__
    units = len(code.co_code) // 2
    # Entries of the table for eight units each, without a column, that stay in the line.
    lines = bytes((0xEF, 0)) * (units // 8) + bytes((0xE8 + units % 8 - 1, 0)) * (units % 8 > 0)
    code = code.replace(co_filename="<sys>", co_firstlineno=0, co_linetable=lines)
    function.__code__ = code
    return function


@_as_sys
def destroy() -> None:
    """Destroys the modules; those that were there before only if that could be seen."""
    # What is used after names are gone is at hand in variables.
    modules, system, names, kept = _modules, _system, _builtins, _kept
    collect, clear, names_of = gc.collect, _clear, _names_of
    forget, find = _forget, ending_leftovers.find
    candidates = find()
    if not (candidates or gc.callbacks or gc.get_debug()):
        return
    ending_holders.clear()
    if gc.isenabled():
        collect()

    names["_"] = None
    for name in _OF_SYS:
        system[name] = None
    for name in _STREAMS:
        system[name] = system.get(f"__{name}__")
    references = _remove(modules, kept)
    _restore(names, _first_builtins)

    # From here on CPython calls no callbacks of the collector.
    callbacks = tuple(gc.callbacks)
    gc.callbacks.clear()
    candidates = find()
    if not kept:
        forget()
    collect()
    if kept and candidates and find(candidates):
        references += map(weakref.ref, kept.values())
        kept.clear()
        forget()
        collect()

    for reference in references:
        module = reference()
        found = names_of(module)
        if module is not None and found is not system and found is not names:
            clear(found)
        module = found = None
    clear(system)
    clear(names)
    collect()
    del callbacks


@_as_sys
def _remove(modules: dict[str, Any], kept: dict[str, Any]) -> list[Any]:
    """Empties `sys.modules`; most modules end with this reference.

    Returns weak references to those of the program, the last one first.
    """
    references: list[Any] = []
    for name in tuple(modules):
        module: Any = modules.get(name)
        if module is not kept.get(name) and issubclass(type(module), _Module):
            references.append(weakref.ref(module))
        modules[name] = None
        module = None
    modules.clear()
    references.reverse()
    return references


@_as_sys
def _restore(names: dict[str, Any], first: dict[str, Any]) -> None:
    """Gives `builtins` the names of its beginning."""
    last = dict(names)
    names.clear()
    names.update(first)
    last.clear()


def _forget() -> None:
    """Lets the collector see all, and go of what the functions under way know of it."""
    gc.unfreeze()
    known = [globals()]
    frame: FrameType | None = sys._getframe()
    while frame is not None:
        known.append(frame.f_globals)
        frame = frame.f_back
    # Warnings look for these two.
    left = {"__name__": "sys", "__builtins__": _builtins}
    for names in known:
        names.clear()
        names.update(left)


def _names_of(module: Any, get: Any = _Module.__getattribute__) -> Any:
    return None if module is None else get(module, "__dict__")


def _clear(names: dict[str, Any]) -> None:
    """Sets the names to None: first those with one underscore, as CPython does."""
    for name in tuple(names):
        if name[:1] == "_" != name[1:2] and names.get(name) is not None:
            names[name] = None
    for name in tuple(names):
        if name != "__builtins__" and names.get(name) is not None:
            names[name] = None
