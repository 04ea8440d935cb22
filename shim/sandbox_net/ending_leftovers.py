"""Finds what of a program has a finalizer, and so may be seen to end."""

import gc
import io
import sys
import weakref
from collections.abc import Collection, Iterator
from types import AsyncGeneratorType, CoroutineType, GeneratorType
from typing import Any, Final

# Their finalizers do nothing that could be seen.
_IN_MEMORY: Final = frozenset({io.BytesIO, io.StringIO})
_FRAMES: Final[dict[type, str]] = {
    GeneratorType: "gi_frame",
    CoroutineType: "cr_frame",
    AsyncGeneratorType: "ag_frame",
}
_STREAMS: Final = ("__stdin__", "__stdout__", "__stderr__")
# Modules whose functions are called when an object ends, and which then only forget it.
_LIBRARY: Final = frozenset({"None", "weakref", "_weakrefset", "logging", "functools", "abc"})
_PACKAGE: Final = f"{__package__}."
_bases_of: Final[Any] = vars(type)["__mro__"].__get__
_names_of: Final[Any] = vars(type)["__dict__"].__get__


def find(among: Collection[int] | None = None) -> frozenset[int]:
    """Returns the numbers of such objects, and of their classes; with `among`, which are left."""
    objects = gc.get_objects()
    kinds = set(map(type, objects))
    finalized = {kind for kind in kinds if _is_finalized(kind)} - _IN_MEMORY
    references = {kind for kind in kinds if weakref.ref in _bases_of(kind)}
    # Objects of the classes need not be known to the collector.
    classes = {kind for kind in kinds if among is None and type in _bases_of(kind)}
    found = _seen_to_end(objects, finalized, references, classes)
    return frozenset(found if among is None else (each for each in found if each in among))


def _seen_to_end(
    objects: list[Any], finalized: set[type], references: set[type], classes: set[type]
) -> Iterator[int]:
    if not (finalized or references or classes):
        return
    streams = _streams() if finalized else ()
    for each in objects:
        kind = type(each)
        if kind in classes:
            if _is_finalized(each):
                yield id(each)
        elif kind in finalized:
            # One that came back is not finalized again.
            if not (id(each) in streams or gc.is_finalized(each) or _is_over(each)):
                yield id(each)
        elif kind in references and _calls_the_program(each):
            yield id(each)


def _is_finalized(kind: type) -> bool:
    return any("__del__" in _names_of(base) for base in _bases_of(kind))


def _is_over(each: Any) -> bool:
    """Whether it is a generator, a coroutine or a file that has ended."""
    if (frame := _FRAMES.get(type(each))) is not None:
        return getattr(each, frame) is None
    return type(each) is io.FileIO and each.closed


def _streams() -> set[int]:
    """The standard streams, which end with `sys`."""
    found: set[int] = set()
    for name in _STREAMS:
        stream = vars(sys).get(name)
        if type(stream) is io.TextIOWrapper:
            binary = stream.buffer
            found.update((id(stream), id(binary), id(getattr(binary, "raw", None))))
    return found


def _calls_the_program(reference: Any) -> bool:
    """Whether the end of what it refers to would call a function of the program."""
    callback = reference.__callback__
    if callback is None:
        return False
    module = str(getattr(callback, "__module__", None))
    return module not in _LIBRARY and not module.startswith(_PACKAGE)
