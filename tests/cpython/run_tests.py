"""Runs one test module of CPython and reports every test in a line of JSON.

    python3 run_tests.py MODULE

The same file runs inside the sandbox and on native CPython. It reads two variables: `CPYTHON_TESTS`
is the folder of the package `test`, unless that is on the path already, and `FIRST_TEST` is the
number of the first test. A test can end the interpreter or never end. So each is announced with its
number before it begins, and another run can continue after it.

Lines: `{"begin": number, "test": id}`, `{"test": id, "outcome": outcome, "detail": text}`, and
`{"end": true}` at the end. The outcome of a module or a class applies to all its tests.
"""

import _thread
import asyncio
import importlib
import importlib.util
import json
import os
import socket
import sys
import threading
import traceback
import unittest
from collections.abc import Iterator
from functools import partial
from types import TracebackType
from typing import Any, TextIO

PASSED, SKIPPED, FAILED, ERROR = "passed", "skipped", "failed", "error"
# Which of several outcomes counts, such as those of subtests.
SEVERITY = [PASSED, SKIPPED, FAILED, ERROR]
MAX_DETAIL = 300
# What a test does to the machine, as root.
LEFT_OUT = {"test.test_socket.GeneralModuleTests.test_sethostname": "it renames the machine"}

ExcInfo = tuple[type[BaseException], BaseException, TracebackType | None]


class Lines:
    """The lines of the report."""

    def __init__(self, out: TextIO) -> None:
        self._out = out

    def write(self, **line: object) -> None:
        """Writes a line, at once, because the interpreter may end in the next moment."""
        print(json.dumps(line), file=self._out, flush=True)


class Reporter(unittest.TestResult):
    """Reports the outcomes of tests as they arrive."""

    def __init__(self, lines: Lines, numbers: dict[int, int]) -> None:
        super().__init__()
        self._lines = lines
        self._numbers = numbers
        self._outcome, self._detail = PASSED, ""

    def startTest(self, test: unittest.TestCase) -> None:
        """Announces a test."""
        super().startTest(test)
        self._outcome, self._detail = PASSED, ""
        self._lines.write(begin=self._numbers[id(test)], test=test.id())

    def stopTest(self, test: unittest.TestCase) -> None:
        """Reports the outcome."""
        super().stopTest(test)
        self._lines.write(test=test.id(), outcome=self._outcome, detail=self._detail)

    def addError(self, test: Any, err: Any) -> None:
        """Records an exception."""
        self._found(test, ERROR, described(err))

    def addFailure(self, test: Any, err: Any) -> None:
        """Records an assertion that failed."""
        self._found(test, FAILED, described(err))

    def addSubTest(self, test: Any, subtest: Any, err: Any) -> None:
        """Counts the outcome of a subtest as one of the test."""
        if err is not None:
            failed = issubclass(err[0], test.failureException)
            self._found(test, FAILED if failed else ERROR, described(err))

    def addSkip(self, test: Any, reason: str) -> None:
        """Records the reason for skipping a test, or all tests after a set-up."""
        self._found(test, SKIPPED, reason)

    def addUnexpectedSuccess(self, test: Any) -> None:
        """Records an unexpected success."""
        self._found(test, FAILED, "unexpected success")

    def _found(self, test: Any, outcome: str, detail: str) -> None:
        detail = detail[:MAX_DETAIL]
        phase, _, whole = test.id().partition(" (")
        if phase in ("setUpClass", "setUpModule"):
            self._lines.write(test=whole.rstrip(")"), outcome=outcome, detail=detail)
        elif phase in ("tearDownClass", "tearDownModule"):
            self._lines.write(test=test.id(), outcome=outcome, detail=detail)
        elif SEVERITY.index(outcome) > SEVERITY.index(self._outcome):
            self._outcome, self._detail = outcome, detail


def described(err: ExcInfo) -> str:
    """Returns an exception in one line, with its causes."""
    words: list[str] = []
    error: BaseException | None = err[1]
    while error is not None:
        words += [*(["after"] if words else []), f"{type(error).__name__}:", *str(error).split()]
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    return " ".join(words)


def flattened(suite: unittest.TestSuite) -> Iterator[unittest.TestCase]:
    """The tests of a suite, in their order."""
    for part in suite:
        if isinstance(part, unittest.TestSuite):
            yield from flattened(part)
        else:
            yield part


def load_package(folder: str) -> None:
    """Imports the package `test` from `folder`, which is mounted and so in no listing."""
    # The folder is read-only, and compiling a module again for each run would take long.
    sys.pycache_prefix = os.path.join(os.path.expanduser("~"), "pycache")
    path = os.path.join(folder, "__init__.py")
    spec = importlib.util.spec_from_file_location("test", path, submodule_search_locations=[folder])
    if spec is None or spec.loader is None:
        raise ImportError(f"no package in {folder}")
    sys.modules["test"] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(sys.modules["test"])


def refuse_thread(*_: object) -> None:
    """Fails as CPython does on a platform without threads."""
    raise RuntimeError("can't start new thread")


def settle() -> None:
    """Tells the package `test` what it can use here."""
    from test import support
    from test.support import socket_helper

    support.use_resources = []  # none of the resources that regrtest enables with -u
    if not support.is_wasi:
        return
    # These tests' threads are servers, which do not work here: run in line they would only wait.
    threading.Thread.start = refuse_thread  # type: ignore[method-assign]
    _thread.start_new_thread = refuse_thread  # type: ignore[assignment]
    # On WASI it assumes that there are no sockets, and would skip nearly everything.
    support.is_wasi = False
    support.has_socket_support = True
    socket_helper.has_gethostname = True
    # It would find these out by `bind`, which here says nothing about what can be connected to.
    socket_helper.IPV6_ENABLED = True
    try:
        socket.socket(socket.AF_UNIX).close()
    except OSError as error:
        socket_helper._bind_nix_socket_error = error
    if not hasattr(asyncio.events._AbstractEventLoopPolicy, "get_child_watcher"):
        # Tests of asyncio up to 3.13 ask the policy for a loop at their end. 3.14 has no policy.
        support.maybe_get_event_loop_policy = lambda: None


def run(module: str, first: int, lines: Lines) -> None:
    """Runs the tests of `module` from the one with the number `first` on."""
    try:
        settle()
        loaded = importlib.import_module(module)
    except unittest.SkipTest as skipped:
        lines.write(test=module, outcome=SKIPPED, detail=str(skipped))
        return
    except (Exception, SystemExit) as error:
        traceback.print_exc()
        lines.write(test=module, outcome=ERROR, detail=f"{type(error).__name__}: {error}")
        return
    tests = list(flattened(unittest.defaultTestLoader.loadTestsFromModule(loaded)))
    numbers = {id(test): number for number, test in enumerate(tests)}
    for test in tests:
        if test.id() in LEFT_OUT:
            test.setUp = partial(test.skipTest, LEFT_OUT[test.id()])  # type: ignore[method-assign]
    unittest.TestSuite(tests[first:]).run(Reporter(lines, numbers))


def main() -> None:
    """Runs the tests that the command line names."""
    lines = Lines(sys.stdout)
    sys.stdout = sys.stderr  # some tests print
    folder = os.environ.pop("CPYTHON_TESTS", None)
    if folder is not None:
        load_package(folder)
    run(sys.argv[1], int(os.environ.pop("FIRST_TEST", "0")), lines)
    lines.write(end=True)
    # Do not wait for threads that a failed test left behind.
    os._exit(0)


if __name__ == "__main__":
    main()
