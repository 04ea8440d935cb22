"""`threading.local` for threads that run in line: each has data of its own.

Attributes are as fast as CPython's, because they are CPython's: their contents are swapped whenever
another thread begins or continues.
"""

import threading
import weakref
from _thread import _local
from collections.abc import Callable
from typing import Any, Final, Self

from .cooperation import Work


class _Made:
    """A live `local`, and the arguments that it was made with if its class initializes it."""

    __slots__ = ("made_with", "ref")

    def __init__(self, ref: "weakref.ref[local]", made_with: Any) -> None:
        self.ref = ref
        self.made_with = made_with


_all: Final[dict[int, _Made]] = {}
# The data of a thread in each of them while it does not run.
_kept: Final["weakref.WeakKeyDictionary[Any, dict[int, dict[str, Any]]]"] = (
    weakref.WeakKeyDictionary()
)


class local(_local):
    """Data of each thread, also of those that run in line."""

    __slots__ = ()

    def __new__(cls, /, *args: Any, **kwargs: Any) -> Self:
        """Makes one as CPython does, and remembers it."""
        self = super().__new__(cls, *args, **kwargs)
        made_with = (args, kwargs) if cls.__init__ is not object.__init__ else None
        number = id(self)
        _all[number] = _Made(weakref.ref(self, lambda _: _forget(number)), made_with)
        return self


def _forget(number: int) -> None:
    _all.pop(number, None)
    for kept in tuple(_kept.values()):
        kept.pop(number, None)


def put_data(work: Work) -> Callable[[], None]:
    """Swaps the data of the thread of `work` in, and that of the outer one out."""
    inner: Any = getattr(work, "thread", work)
    outer: Any = threading.current_thread()
    if outer is inner or not _all:
        return lambda: None
    further_out = _exchange(_kept.pop(inner, {}))

    def restore() -> None:
        kept = _exchange(further_out)
        # The data of a thread ends with it.
        if kept and not getattr(work, "is_done", False):
            _kept[inner] = kept

    return restore


def _exchange(data: dict[int, dict[str, Any]]) -> dict[int, dict[str, Any]]:
    before = {}
    for number, made in tuple(_all.items()):
        found = made.ref()
        if found is None:
            continue
        own = found.__dict__
        if own:
            before[number] = dict(own)
            own.clear()
        if number in data:
            own.update(data[number])
        elif made.made_with is not None:
            args, kwargs = made.made_with
            found.__init__(*args, **kwargs)  # type: ignore[misc]
    return before
