"""Finds the stand-ins, as the import system finds modules of C.

Programs look a module up (`importlib.util.find_spec`), and test suites drop one to import it anew.
Without this they would get the stock module, or none.
"""

import importlib.abc
import importlib.machinery
import types
from collections.abc import Callable, Mapping, Sequence
from typing import Final


class StandIns(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Finds and loads stand-ins, each by the name of what it stands in for."""

    def __init__(self, builders: Mapping[str, Callable[[], types.ModuleType]]) -> None:
        self._modules: Final = {name: build() for name, build in builders.items()}

    def find_spec(
        self,
        fullname: str,
        path: Sequence[str] | None,
        target: types.ModuleType | None = None,
    ) -> importlib.machinery.ModuleSpec | None:
        """Where `fullname` is: with this loader, or not known here."""
        if fullname not in self._modules:
            return None
        return importlib.machinery.ModuleSpec(fullname, self, origin="sandbox-net")

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> types.ModuleType:
        """The one module of this name: what was imported before has the same classes."""
        return self._modules[spec.name]

    def exec_module(self, module: types.ModuleType) -> None:
        """Nothing is left to be done."""
