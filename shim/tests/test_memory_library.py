"""Libraries that are kept in memory."""

import importlib
import importlib.resources
import pkgutil
import py_compile
import shutil
import sys
import tempfile
import traceback
import unittest
from pathlib import Path

from sandbox_net.memory_library import embed

FILES = {
    "single.py": "def fail():\n    raise ValueError('here')\n",
    "package/__init__.py": "from .inner import VALUE\n",
    "package/inner.py": "VALUE = 7\n",
    "package/data.txt": "some data\n",
    "package/tests/__init__.py": "",
    "spaces/one.py": "ONE = 1\n",
    "broken.py": "def (:\n",
}


class Libraries(unittest.TestCase):
    def setUp(self) -> None:
        directory = tempfile.mkdtemp()
        for name, text in FILES.items():
            path = Path(directory, name)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        # Without its source.
        source = Path(directory, "alone.py")
        source.write_text("ALONE = 3\n")
        py_compile.compile(str(source), cfile=str(source.with_suffix(".pyc")))
        source.unlink()
        before = set(sys.modules)
        self.library = embed([directory])
        # Only the memory has them now.
        shutil.rmtree(directory)
        importlib.invalidate_caches()
        self.directory = directory

        def forget() -> None:
            sys.meta_path.remove(self.library)
            for name in set(sys.modules) - before:
                del sys.modules[name]

        self.addCleanup(forget)

    def test_modules_packages_and_directories_are_imported(self) -> None:
        self.assertEqual(importlib.import_module("package").VALUE, 7)
        self.assertEqual(importlib.import_module("spaces.one").ONE, 1)
        self.assertEqual(importlib.import_module("alone").ALONE, 3)
        self.assertIsNone(self.library.get_source("alone"))
        module = importlib.import_module("single")
        self.assertEqual(module.__file__, f"{self.directory}/single.py")
        self.assertEqual(importlib.import_module("package").__path__, [f"{self.directory}/package"])

    def test_what_is_not_kept_is_not_found(self) -> None:
        for name in ("package.tests", "package.missing", "missing"):
            with self.assertRaises(ModuleNotFoundError):
                importlib.import_module(name)

    def test_tracebacks_show_the_source(self) -> None:
        try:
            importlib.import_module("single").fail()
        except ValueError:
            self.assertIn("raise ValueError('here')", traceback.format_exc())

    def test_a_module_of_another_version_tells_its_error_when_it_is_imported(self) -> None:
        with self.assertRaises(SyntaxError):
            importlib.import_module("broken")

    def test_the_files_of_a_package_are_its_resources(self) -> None:
        files = importlib.resources.files("package")
        self.assertEqual((files / "data.txt").read_text(), "some data\n")
        self.assertEqual(
            sorted(place.name for place in files.iterdir()),
            ["__init__.py", "data.txt", "inner.py"],
        )
        self.assertFalse((files / "missing").is_file())
        with importlib.resources.as_file(files / "data.txt") as path:
            self.assertEqual(path.read_bytes(), b"some data\n")
        self.assertEqual(pkgutil.get_data("package", "data.txt"), b"some data\n")
        with (files / "data.txt").open() as file:
            self.assertEqual(file.read(), "some data\n")


if __name__ == "__main__":
    unittest.main()
