"""Follows imports, so that their modules can be given to programs later.

Of each module it learns which others its import imports, which variables it reads and what it does
to warnings. What can't be undone makes an import unfit: such a module is not kept.
"""

import atexit
import builtins
import gc
import importlib
import importlib.util
import itertools
import os
import signal
import sys
import time
import warnings
import weakref
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any, Final

from .ready_modules import Exit, Ready

# All variables, in the place of one.
_ALL: Final = "*"
_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM)
_RANDOM: Final = "it draws random bytes"
_DIFFERENT: Final = (
    (os, "urandom", _RANDOM),
    (time, "time", "it reads the clock"),
    (time, "time_ns", "it reads the clock"),
    (time, "monotonic", "it reads the clock"),
)
# Modules that draw random bytes for others, and those whose state `fresh` renews.
_ON_BEHALF: Final = ("random", "secrets", __name__, "importlib._", "_frozen_importlib")
_RENEWED: Final = ("numpy.random", "bson.objectid")
_bootstrap: Any = vars(importlib)["_bootstrap"]
_environ: Any = type(os.environ)


class Record:
    """What imports do, until its end."""

    def __init__(self) -> None:
        self._before = set(sys.modules)
        self._needs: dict[str, set[str]] = {}
        self._reads: dict[str, dict[str, str | None]] = {}
        self._filters: dict[str, list[tuple[Any, bool]]] = {}
        self._exits: dict[str, list[Exit]] = {}
        self._faults: list[str] = []
        self._undo: list[Callable[[], None]] = []
        self._replaced: dict[int, Any] = {}
        self._stock_filters = list(warnings.filters)
        self._finders = list(sys.meta_path)
        self._streams = sys.stdin, sys.stdout, sys.stderr
        sys.argv = _Watched(sys.argv, self.fail)
        self._referrers = self._count_referrers()
        # The working directory is a program's own.
        self._path = list(sys.path)
        sys.path[:] = [entry for entry in sys.path if entry]
        self._state = self._look()
        self._follow_imports()
        self._follow_variables()
        self._follow_warnings()
        self._follow_exits()
        self._follow_chance_and_clocks()

    def fault(self) -> str | None:
        """Says what makes the import that just ended unfit."""
        before, self._state = self._state, self._look()
        faults, self._faults = self._faults, []
        for (what, then), (_, now) in zip(before, self._state, strict=True):
            if then != now:
                faults.append(f"it changes {what}")
        return faults[0] if faults else None

    def end(self) -> tuple[dict[str, Ready], bool]:
        """Stops; returns what was imported, and whether some of it may have kept a stream."""
        for undo in reversed(self._undo):
            undo()
        sys.path[:] = self._path
        new = [name for name in sys.modules if name not in self._before]
        for name in new:
            for each in self._exits.get(name, ()):
                atexit.unregister(each.function)
        for name in new:
            if getattr(sys.modules[name], "__name__", name) != name:
                # Another name of a module, which its package has given it.
                self._need(name.rpartition(".")[0], name)
            names = getattr(sys.modules[name], "__dict__", {})
            for attribute, value in list(names.items()):
                if id(value) in self._replaced:
                    names[attribute] = self._replaced[id(value)]
        modules = {name: self._ready(name, set(new)) for name in new}
        sys.meta_path[:] = self._finders
        filters: Any = warnings.filters
        filters[:] = self._stock_filters
        # The module that looks at them in C hears of it this way.
        with warnings.catch_warnings():
            pass
        return modules, self._count_referrers() != self._referrers

    def _ready(self, name: str, new: set[str]) -> Ready:
        module: Any = sys.modules[name]
        needs = set(self._needs.get(name, ()))
        parent, _, child = name.rpartition(".")
        attribute = None
        if parent:
            needs.add(parent)
            package = sys.modules.get(parent)
            if isinstance(package, ModuleType) and vars(package).get(child) is module:
                attribute = package, child
        for value in list(getattr(module, "__dict__", {}).values()):
            origin = value if isinstance(value, ModuleType) else None
            where = origin.__name__ if origin is not None else getattr(value, "__module__", None)
            if isinstance(where, str):
                needs.add(where)
        filters = [added for added in self._filters.get(name, ()) if added[0] in warnings.filters]
        added = [each for each in sys.meta_path if each not in self._finders]
        finders = [each for each in added if type(each).__module__ == name]
        return Ready(
            module,
            tuple(need for need in needs if need in new and need != name),
            self._reads.get(name, {}),
            tuple(filters),
            tuple(finders),
            tuple(self._exits.get(name, ())),
            attribute,
        )

    def _look(self) -> list[tuple[str, Any]]:
        return [
            ("the working directory", os.getcwd()),
            ("the environment", dict(os.environ._data)),  # type: ignore[attr-defined]
            ("sys.argv", id(sys.argv)),
            ("sys.path", tuple(sys.path)),
            ("the standard streams", tuple(map(id, (sys.stdin, sys.stdout, sys.stderr)))),
            ("hooks of sys", (id(sys.excepthook), id(sys.displayhook), id(sys.unraisablehook))),
            ("how imports are found", tuple(map(id, sys.path_hooks))),
            ("the recursion limit", sys.getrecursionlimit()),
            ("the collector", (gc.isenabled(), gc.get_threshold())),
            ("tracing", (sys.gettrace(), sys.getprofile())),
            ("signal handlers", tuple(map(signal.getsignal, _SIGNALS))),
            ("warnings", (id(warnings.showwarning), id(warnings.formatwarning))),
            ("built-in functions", len(vars(builtins))),
            ("handlers of the root logger", _root_logger()),
        ]

    def _count_referrers(self) -> tuple[int, ...]:
        """How many objects have a stream, besides handlers, which get another one if need be."""
        return tuple(
            sum(type(each).__name__ != "StreamHandler" for each in gc.get_referrers(stream))
            for stream in self._streams
        )

    def _importer(self) -> str | None:
        """The innermost new module whose import or function runs."""
        frame = sys._getframe(2)
        while frame is not None:
            name = frame.f_globals.get("__name__")
            if isinstance(name, str) and name in sys.modules and name not in self._before:
                return name
            frame = frame.f_back  # type: ignore[assignment]
        return None

    def _importing(self) -> str | None:
        """The new module whose import runs, whichever functions it has called."""
        frame: Any = sys._getframe(2)
        while frame is not None:
            name = frame.f_globals.get("__name__")
            if frame.f_code.co_name == "<module>" and name not in self._before:
                return name if isinstance(name, str) else None
            frame = frame.f_back
        return None

    def _need(self, importer: str | None, name: str) -> None:
        if importer is not None:
            needs = self._needs.setdefault(importer, set())
            while name:
                needs.add(name)
                name = name.rpartition(".")[0]

    def _follow_imports(self) -> None:
        stock: Any = builtins.__import__
        stock_find: Any = _bootstrap._gcd_import

        def imports(
            name: str, globals: Any = None, locals: Any = None, fromlist: Any = (), level: int = 0
        ) -> Any:
            importer = self._importer()
            found = stock(name, globals, locals, fromlist, level)
            if level:
                package = (globals or {}).get("__package__") or ""
                name = importlib.util.resolve_name("." * level + name, package)
            self._need(importer, name)
            for item in fromlist or ():
                self._need(importer, f"{name}.{item}")
            return found

        def find(name: str, package: Any = None, level: int = 0) -> Any:
            importer = self._importer()
            found = stock_find(name, package, level)
            self._need(importer, found.__name__)
            return found

        builtins.__import__ = imports
        _bootstrap._gcd_import = find

        def undo() -> None:
            builtins.__import__ = stock
            _bootstrap._gcd_import = stock_find

        self._undo.append(undo)

    def _follow_variables(self) -> None:
        stock_get, stock_iter = _environ.__getitem__, _environ.__iter__
        reads = self._read

        def get(environ: Any, key: Any) -> Any:
            try:
                value = stock_get(environ, key)
            except KeyError:
                reads(self._importer(), key, None)
                raise
            reads(self._importer(), key, value)
            return value

        def names(environ: Any) -> Iterator[Any]:
            if self._importer() is not None:
                self._faults.append("it reads the whole environment")
            return iter(list(stock_iter(environ)))

        _environ.__getitem__, _environ.__iter__ = get, names

        def undo() -> None:
            _environ.__getitem__, _environ.__iter__ = stock_get, stock_iter

        self._undo.append(undo)

    def _read(self, importer: str | None, key: Any, value: Any) -> None:
        if importer is None:
            return
        if not isinstance(key, str):
            key, value = os.fsdecode(key), value if value is None else os.fsdecode(value)
        self._reads.setdefault(importer, {})[key] = value

    def _follow_warnings(self) -> None:
        stock: Any = warnings._add_filter  # type: ignore[attr-defined]

        def add(*item: Any, append: bool) -> None:
            importer = self._importer()
            stock(*item, append=append)
            if importer is not None:
                self._filters.setdefault(importer, []).append((item, append))

        warnings._add_filter = add  # type: ignore[attr-defined]

        def undo() -> None:
            warnings._add_filter = stock  # type: ignore[attr-defined]

        self._undo.append(undo)

    def _follow_exits(self) -> None:
        stock: Any = atexit.register
        stock_unregister: Any = atexit.unregister
        numbers = itertools.count()

        def register(function: Any, /, *given: Any, **named: Any) -> Any:
            importer = self._importing()
            # Whoever makes the first finalizer registers for those of all.
            of = getattr(function, "__self__", None)
            if importer is not None and of is not weakref.finalize:
                each = Exit(next(numbers), function, given, named)
                self._exits.setdefault(importer, []).append(each)
            return stock(function, *given, **named)

        def unregister(function: Any, /) -> None:
            for exits in self._exits.values():
                exits[:] = [each for each in exits if each.function != function]
            stock_unregister(function)

        self._replaced[id(register)] = stock
        self._replaced[id(unregister)] = stock_unregister
        atexit.register, atexit.unregister = register, unregister

        def undo() -> None:
            atexit.register, atexit.unregister = stock, stock_unregister

        self._undo.append(undo)

    def _follow_chance_and_clocks(self) -> None:
        """What a module makes of these at its import would be the same for all programs."""
        different: list[tuple[Any, str, str]] = list(_DIFFERENT)
        if random := sys.modules.get("random"):
            different.append((random, "_urandom", _RANDOM))
        for module, name, what in different:
            stock = getattr(module, name)

            def instead(*given: Any, _stock: Any = stock, _what: str = what) -> Any:
                importer = self._importer()
                if importer is not None and not self._is_renewed():
                    self._faults.append(_what)
                return _stock(*given)

            setattr(module, name, instead)
            self._undo.append(lambda m=module, n=name, s=stock: setattr(m, n, s))  # type: ignore[misc]
            self._replaced[id(instead)] = stock

    def _is_renewed(self) -> bool:
        """Whether it is for what begins anew in each copy."""
        frame = sys._getframe(2)
        while frame is not None:
            name = frame.f_globals.get("__name__") or ""
            if name.startswith(_RENEWED):
                return True
            if not name.startswith(_ON_BEHALF):
                return False
            frame = frame.f_back  # type: ignore[assignment]
        return False

    def fail(self, why: str) -> None:
        """Makes the import that runs unfit."""
        self._faults.append(why)


class _Watched(list[str]):
    """Arguments that tell who reads them."""

    def __init__(self, arguments: list[str], tell: Callable[[str], None]) -> None:
        super().__init__(arguments)
        self._tell = tell

    def __getitem__(self, place: Any) -> Any:
        self._tell("it reads sys.argv")
        return super().__getitem__(place)

    def __iter__(self) -> Iterator[str]:
        self._tell("it reads sys.argv")
        return super().__iter__()

    def __len__(self) -> int:
        self._tell("it reads sys.argv")
        return super().__len__()


def _root_logger() -> tuple[int, ...]:
    logging = sys.modules.get("logging")
    if logging is None:
        return ()
    root = logging.getLogger()
    return (root.level, *map(id, root.handlers))
