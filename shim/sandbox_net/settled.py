"""Brings an interpreter's memory into a state of which copies change little.

Copies of a snapshot share each page of memory that they do not write to. Two things write all over it
without need. The first is reference counts: whoever looks at an object writes to it. The second is the
allocator, which puts new objects into the holes between old ones.

So the host makes every object that a program begins with immortal, as CPython does with its own
constants: its count is never written again. And the holes are filled, so that new objects are beside
each other.
"""

import gc
import sys
from array import array
from types import CodeType
from typing import Final

# Where the host looks for the addresses of objects, each as four bytes.
OBJECTS: Final = "/objects"
# Larger holes are few, and are used for something large.
_LARGEST_HOLE: Final = 64 << 10
_ROOM: Final = 4 << 20

# What keeps the holes filled.
_filling: list[bytes] = []


def settle() -> None:
    """Tells the host which objects there are, and fills the holes. Nothing is to be freed after it."""
    with open(OBJECTS, "wb") as file:
        _objects().tofile(file)
    _fill()


def _objects() -> array[int]:
    """The addresses of all objects that can be found."""
    known: set[int] = set()
    found: list[object] = [sys.modules, *gc.get_objects()]
    keep = [found]
    passing = {id(known), id(keep)}
    while found:
        following: list[object] = []
        for each in found:
            if id(each) not in known:
                known.add(id(each))
                following.extend(_parts(each))
        keep.append(following)
        passing.add(id(following))
        found = following
    return array("I", sorted(known - passing))


def _parts(of: object) -> list[object]:
    parts = gc.get_referents(of)
    if isinstance(of, CodeType):
        # The collector does not look into it.
        parts += (of.co_consts, of.co_names, of.co_varnames, of.co_freevars, of.co_cellvars)
        parts += (of.co_filename, of.co_name, of.co_qualname, of.co_linetable, of.co_exceptiontable)
    return parts


def _fill() -> None:
    """Allocates each size until it no longer comes from a hole, but from beyond all objects."""
    beyond = id(bytearray(_ROOM))
    size = _LARGEST_HOLE
    while size > 0:
        while id(block := bytes(size)) < beyond:
            _filling.append(block)
        size = size * 7 // 8 if size > 512 else size - 8
