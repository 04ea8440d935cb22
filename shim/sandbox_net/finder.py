"""Finds the stand-ins, as the import system finds modules written in C.

Programs look modules up (`importlib.util.find_spec`), and test suites unload one to import it
again. Without this they would get the stock module, or no module.
"""

import importlib.abc
import importlib.machinery
import types
from collections.abc import Callable, Mapping, Sequence
from typing import Final


class StandIns(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Finds and loads stand-ins by the names of the modules that they replace."""

    def __init__(self, builders: Mapping[str, Callable[[], types.ModuleType]]) -> None:
        self._modules: Final = {name: build() for name, build in builders.items()}

    def find_spec(
        self,
        fullname: str,
        path: Sequence[str] | None,
        target: types.ModuleType | None = None,
    ) -> importlib.machinery.ModuleSpec | None:
        """Returns the spec of `fullname` with this loader; `None` if it is not a stand-in."""
        if fullname not in self._modules:
            return None
        return importlib.machinery.ModuleSpec(fullname, self, origin="sandbox-net")

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> types.ModuleType:
        """Returns the one module of this name, so that its classes stay the same."""
        return self._modules[spec.name]

    def exec_module(self, module: types.ModuleType) -> None:
        """Does nothing: the module is complete."""
