"""Changes modules when a program imports them, so that no module is loaded for the change."""

import sys

MYPY = False  # no program pays for `typing`
if MYPY:
    from typing import Any

_changes = {}  # type: dict[str, object]


def when_imported(name: "str", change: "Any") -> "None":
    """Calls `change` with the module `name`: now, if it is loaded, and after each of its loads."""
    _changes[name] = change
    if _FINDER not in sys.meta_path:
        sys.meta_path.insert(0, _FINDER)
    module = sys.modules.get(name)
    if module is not None:
        _apply(change, module)


def _apply(change: "Any", module: "Any") -> "None":
    try:
        change(module)
    except Exception as error:
        # The program goes on unrouted: in confinement the kernel denies what it then tries.
        name = getattr(module, "__name__", "?")
        if sys.stderr is not None:
            sys.stderr.write(f"sandbox-net: {name} is not routed: {error!r}\n")


class _Finder:
    """Finds the modules to change as without this finder, with a loader that changes them."""

    def find_spec(self, fullname: "str", path: "Any", target: "Any" = None) -> "Any":
        change = _changes.get(fullname)
        if change is None:
            return None
        for finder in sys.meta_path:
            find = None if finder is self else getattr(finder, "find_spec", None)
            spec = find(fullname, path, target) if find is not None else None
            if spec is not None:
                if hasattr(spec.loader, "exec_module"):
                    spec.loader = _Loader(spec.loader, change)
                return spec
        return None


_FINDER = _Finder()


class _Loader:
    """Loads a module as its own loader does, and then changes it."""

    def __init__(self, loader: "Any", change: "Any") -> "None":
        self._loader = loader
        self._change = change

    def __getattr__(self, name: "str") -> "Any":
        return getattr(self._loader, name)

    def create_module(self, spec: "Any") -> "Any":
        return self._loader.create_module(spec)

    def exec_module(self, module: "Any") -> "None":
        own = self._loader
        spec = getattr(module, "__spec__", None)
        if spec is not None:
            spec.loader = own
        module.__loader__ = own
        own.exec_module(module)
        _apply(self._change, module)
