"""Keeps libraries in memory, and gives their modules to the import system.

The finder is behind all others, so that a directory that is there at run time comes first.
"""

import importlib.abc
import importlib.machinery
import importlib.util
import io
import marshal
import os
import sys
import types
import zlib
from collections.abc import Iterator, Sequence
from importlib.resources.abc import Traversable, TraversableResources
from typing import IO, Any, Final

_LEFT_OUT: Final = frozenset(("__pycache__", "idlelib", "test", "tests", "turtledemo"))
"""Directories that programs do not import."""
_LARGEST: Final = 8 << 20
"""Larger files are left out."""
_LEVEL: Final = 1
"""Files are many, and an interpreter in WebAssembly packs slowly."""
_HEADER: Final = 16
"""The bytes before the code in a file of compiled code (PEP 552)."""


def _compiled(path: str) -> bytes | None:
    """Return the code that lies beside a source file, if it is this interpreter's."""
    try:
        with open(importlib.util.cache_from_source(path), "rb") as file:
            content = file.read()
    except OSError:
        return None
    is_own = content.startswith(importlib.util.MAGIC_NUMBER)
    return content[_HEADER:] if is_own else None


def _compile(source: bytes, path: str) -> bytes | None:
    try:
        return marshal.dumps(compile(source, path, "exec", dont_inherit=True))
    except (SyntaxError, ValueError):
        return None  # it is for another version: importing it tells so


class Library(importlib.abc.MetaPathFinder, importlib.abc.InspectLoader):
    """Finds and loads modules from the files that it keeps, by their paths."""

    def __init__(self, directories: Sequence[str]) -> None:
        self._directories: Final = tuple(directories)
        self._files: Final[dict[str, bytes]] = {}
        self._code: Final[dict[str, bytes]] = {}
        self._listed: Final[dict[str, list[str]]] = {}
        for directory in directories:
            self._keep(directory)

    def _keep(self, directory: str) -> None:
        try:
            entries = sorted(os.scandir(directory), key=lambda entry: entry.name)
        except OSError:
            return  # the shim's own directory has only a name
        names = self._listed[directory] = []
        for entry in entries:
            path = f"{directory}/{entry.name}"
            if entry.is_dir():
                if entry.name in _LEFT_OUT:
                    continue
                self._keep(path)
            elif entry.stat().st_size > _LARGEST:
                continue
            else:
                self._keep_file(path)
            names.append(entry.name)

    def _keep_file(self, path: str) -> None:
        with open(path, "rb") as file:
            content = file.read()
        self._files[path] = zlib.compress(content, _LEVEL)
        if path.endswith(".pyc") and content.startswith(importlib.util.MAGIC_NUMBER):
            # The standard library may have no sources.
            self._files[path] = b""
            self._code[path] = zlib.compress(content[_HEADER:], _LEVEL)
        if path.endswith(".py"):
            code = _compiled(path) or _compile(content, path)
            if code is not None:
                self._code[path] = zlib.compress(code, _LEVEL)

    def content(self, path: str) -> bytes:
        """Return the content of a file.

        Raises:
            FileNotFoundError: There is none.
        """
        try:
            return zlib.decompress(self._files[path])
        except KeyError:
            raise FileNotFoundError(2, "No such file or directory", path) from None

    def listing(self, path: str) -> list[str] | None:
        """Return the names in a directory; `None` if there is no such directory."""
        return self._listed.get(path)

    # The finder.

    def find_spec(
        self,
        fullname: str,
        path: Sequence[str] | None,
        target: types.ModuleType | None = None,
    ) -> importlib.machinery.ModuleSpec | None:
        """Return the spec of a module, if its file is kept."""
        tail = fullname.rpartition(".")[2]
        for directory in self._directories if path is None else path:
            base = f"{directory}/{tail}"
            for start, package in ((f"{base}/__init__", base), (base, None)):
                for origin in (f"{start}.py", f"{start}.pyc"):
                    if origin in self._files:
                        return self._spec(fullname, origin, package)
            if base in self._listed:
                spec = importlib.machinery.ModuleSpec(fullname, None, is_package=True)
                spec.submodule_search_locations = [base]
                return spec
        return None

    def _spec(
        self, fullname: str, origin: str, package: str | None
    ) -> importlib.machinery.ModuleSpec:
        spec = importlib.machinery.ModuleSpec(
            fullname, self, origin=origin, is_package=package is not None
        )
        spec.has_location = True
        if package is not None:
            spec.submodule_search_locations = [package]
        return spec

    # The loader.

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> None:
        """Leave it to the import system."""

    def _origin(self, fullname: str) -> str:
        spec = self.find_spec(fullname, self._paths(fullname))
        if spec is None or spec.origin is None:
            raise ImportError(f"no module named {fullname!r} is embedded", name=fullname)
        return spec.origin

    def _paths(self, fullname: str) -> Sequence[str] | None:
        parent = fullname.rpartition(".")[0]
        return list(sys.modules[parent].__path__) if parent in sys.modules else None

    def get_code(self, fullname: str) -> types.CodeType:
        """Return the code of a module."""
        origin = self._origin(fullname)
        kept = self._code.get(origin)
        if kept is None:
            return compile(self.content(origin), origin, "exec", dont_inherit=True)
        code: types.CodeType = marshal.loads(zlib.decompress(kept))
        return code

    def get_source(self, fullname: str) -> str | None:
        """Return the source of a module, which tracebacks show; `None` if there is code alone."""
        origin = self._origin(fullname)
        if origin.endswith(".pyc"):
            return None
        return importlib.util.decode_source(self.content(origin))

    def is_package(self, fullname: str) -> bool:
        """Whether the module is a package."""
        return self._origin(fullname).rpartition("/")[2].startswith("__init__.")

    def get_filename(self, fullname: str) -> str:
        """Return where the module's file was."""
        return self._origin(fullname)

    def get_data(self, path: str) -> bytes:
        """Return the content of a file, as `pkgutil.get_data` asks for it."""
        return self.content(path)

    def get_resource_reader(self, fullname: str) -> TraversableResources:
        """Return a package's files, as `importlib.resources` asks for them."""
        return _Resources(self, self._origin(fullname).rpartition("/")[0])


class _Resources(TraversableResources):
    def __init__(self, library: Library, directory: str) -> None:
        self._directory: Final = _Place(library, directory)

    def files(self) -> Traversable:
        return self._directory


class _Place(Traversable):
    """A file or a directory that a library keeps."""

    def __init__(self, library: Library, path: str) -> None:
        self._library: Final = library
        self._path: Final = path

    @property
    def name(self) -> str:
        return self._path.rpartition("/")[2]

    def iterdir(self) -> Iterator[Traversable]:
        names = self._library.listing(self._path)
        if names is None:
            raise NotADirectoryError(20, "Not a directory", self._path)
        return (_Place(self._library, f"{self._path}/{name}") for name in names)

    def is_dir(self) -> bool:
        return self._library.listing(self._path) is not None

    def is_file(self) -> bool:
        try:
            self._library.content(self._path)
        except FileNotFoundError:
            return False
        return True

    def joinpath(self, *descendants: Any) -> Traversable:
        return _Place(self._library, "/".join((self._path, *map(str, descendants))))

    __truediv__ = joinpath

    def read_bytes(self) -> bytes:
        return self._library.content(self._path)

    def read_text(self, encoding: str | None = None) -> str:
        return self.read_bytes().decode(encoding or "utf-8")

    def open(self, mode: str = "r", *args: Any, **kwargs: Any) -> IO[Any]:
        file = io.BytesIO(self.read_bytes())
        return file if "b" in mode else io.TextIOWrapper(file, *args, **kwargs)


def embed(directories: Sequence[str]) -> Library:
    """Keep what these directories have, and let modules be found in it."""
    library = Library([path for path in directories if path.startswith("/")])
    sys.meta_path.append(library)
    return library
