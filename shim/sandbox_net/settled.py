"""Brings an interpreter's memory into a state of which copies change little.

Copies of a snapshot share each page of memory that they do not write to. Two things write all over
it without need. One is reference counts: whoever looks at an object writes to it. The other is the
allocator, which puts new objects into the holes between old ones.

So the host makes the objects that a program begins with immortal, as CPython does with its own
constants: their counts are never written again. And the holes are filled, so that a program's own
objects are beside each other.
"""

import _io
import gc
from types import AsyncGeneratorType, CodeType, CoroutineType, FrameType, GeneratorType
from typing import Final

# Where the host looks for the objects: the address of the first one in four bytes, and a bit for
# each eight bytes from there on, set where an object begins.
OBJECTS: Final = "/.objects"
# Whose end a program can see. A class with a metaclass would fill the cache of methods here.
_MORTAL: Final = (_io._IOBase, FrameType, GeneratorType, CoroutineType, AsyncGeneratorType)
# Larger holes are few.
_LARGEST_HOLE: Final = 32 << 10
# More than any hole has.
_ROOM: Final = 256 << 10

_MOST_BLOCKS: Final = 16_000
_BESIDE: Final = 4
# The most that a block has besides its bytes.
_HEADER: Final = 48

# What keeps the holes filled.
_filling: list[bytes] = []


def settle(objects_file: str = OBJECTS) -> None:
    """Tells the host which objects there are, and fills the holes. What is freed later is one."""
    # Otherwise they are not told.
    gc.unfreeze()
    first, objects = _objects()
    with open(objects_file, "wb") as file:
        file.write(first.to_bytes(4, "little"))
        file.write(objects)
    del file, objects
    gc.freeze()
    _fill()


def _objects() -> tuple[int, bytearray]:
    """The objects that can be found, as in the file."""
    tracked: list[object] = gc.get_objects()
    first = min(map(id, tracked)) & ~63
    objects = bytearray()
    mortal: dict[type, bool] = {}
    found: list[object] = []
    while found or tracked:
        each = (found or tracked).pop()
        at, bit = divmod(id(each) - first >> 3, 8)
        if at < 0:
            # It is one of CPython's constants.
            continue
        if at >= len(objects):
            objects.extend(bytes(at + 1 - len(objects)))
        if objects[at] >> bit & 1:
            continue
        kind = type(each)
        if kind not in mortal:
            mortal[kind] = _is_mortal(kind)
        if mortal[kind]:
            continue
        objects[at] |= 1 << bit
        found.extend(gc.get_referents(each))
        if isinstance(each, CodeType):
            # The collector does not look into it. Names of variables would be made by asking.
            found += (each.co_consts, each.co_names, each.co_filename, each.co_name)
    return first, objects


def _is_mortal(kind: type) -> bool:
    return issubclass(kind, _MORTAL) or any("__del__" in vars(each) for each in kind.__mro__)


def _fill() -> None:
    """Allocates blocks of each size until they no longer come from holes, but from beyond them."""
    # Its own memory comes first: a list that grows leaves holes.
    blocks = _filling
    blocks[:] = [b""] * _MOST_BLOCKS
    beyond = id(bytes(_ROOM))
    count, size = 0, _LARGEST_HOLE
    # An object of one byte is a constant.
    while size > 1:
        # Those beyond that are beside each other come from what was never used: no hole is left.
        last, beside = 0, 0
        while beside < _BESIDE and count < len(blocks):
            blocks[count] = block = bytes(size)
            count += 1
            at = id(block)
            beside = beside + 1 if at > beyond and 0 < at - last < size + _HEADER else 0
            last = at
        size = size * 7 // 8 if size > 256 else size - 4
    for index, block in enumerate(blocks):
        if id(block) >= beyond:
            blocks[index] = b""
