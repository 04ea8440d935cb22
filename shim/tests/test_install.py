"""Installing the stand-ins, each time in a new interpreter."""

import support  # noqa: F401, I001 - first: it installs the stand-ins

import subprocess
import sys
import unittest
from pathlib import Path

SHIM = str(Path(__file__).resolve().parent.parent)


@unittest.skipIf(sys.platform == "wasi", "needs subprocesses")
class Install(unittest.TestCase):
    def run_python(self, code: str) -> str:
        """Returns what a new interpreter prints."""
        done = subprocess.run(
            [
                sys.executable,
                "-W",
                "error",
                "-c",
                f"import sys; sys.path.insert(0, {SHIM!r})\n{code}",
            ],
            capture_output=True,
            text=True,
            check=False,
        )
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        return done.stdout.strip()

    def test_modules_above_are_cpythons_own(self) -> None:
        modules = "socket, ssl, select, selectors, http.client, urllib.request, asyncio"
        code = f"""
from sandbox_net.install import install
install()
import {modules}, _socket, _ssl
assert _socket.socket.__base__ is object and socket.socket.__base__ is _socket.socket
assert ssl.SSLContext.__base__ is _ssl._SSLContext
assert selectors.DefaultSelector is selectors.PollSelector
assert asyncio.SelectorEventLoop
print(socket.__file__ == ssl.__file__.replace("ssl.py", "socket.py"))
"""
        self.assertEqual(self.run_python(code), "True")

    def test_modules_that_were_loaded_before_are_loaded_anew(self) -> None:
        code = """
import asyncio, http.client, selectors, socket, ssl, subprocess, urllib.request
old = [http.client, selectors, socket, ssl, urllib.request, asyncio]
from sandbox_net.install import install
install()
import asyncio, http.client, selectors, socket, ssl, subprocess, urllib.request
new = [http.client, selectors, socket, ssl, urllib.request, asyncio]
print(any(a is b for a, b in zip(old, new)), http.client.socket is socket)
print(socket.gaierror is old[2].gaierror, socket.timeout is TimeoutError)
"""
        self.assertEqual(self.run_python(code).split(), ["False", "True", "True", "True"])

    def test_installing_twice_changes_nothing(self) -> None:
        code = """
from sandbox_net.install import install
install()
import _socket, socket
install()
import _socket as again, socket as also
print(_socket is again, socket is also)
"""
        self.assertEqual(self.run_python(code), "True True")

    def test_a_stand_in_is_found_and_imported_anew_as_a_module_of_c(self) -> None:
        code = """
from sandbox_net.install import install
install()
import importlib, importlib.util, sys
for name in ("_socket", "_ssl", "select"):
    before = sys.modules[name]
    assert importlib.util.find_spec(name).origin == "sandbox-net", name
    del sys.modules[name]
    assert importlib.import_module(name) is before, name
    assert importlib.reload(before) is before, name
del sys.modules["ssl"], sys.modules["_ssl"]
import _ssl, ssl
print(ssl.SSLContext.__base__ is _ssl._SSLContext)
"""
        self.assertEqual(self.run_python(code), "True")

    def test_preparing_loads_modules_and_does_not_speak_to_a_host(self) -> None:
        code = """
import os
writes = []
for name in ("write", "writev"):
    setattr(os, name, lambda *a: writes.append(a))
from sandbox_net.prepare import MODULES, prepare
prepare()
import sys
from sandbox_net import control
assert not writes and control._channel is None
assert set(MODULES) <= set(sys.modules)
import gc, urllib.request
assert gc.get_freeze_count()
os.__dict__["ok"] = True
import io
sys.stdout = sys.__stdout__
"""
        self.run_python(code)


if __name__ == "__main__":
    unittest.main()
