"""A pytest plugin that reports how each test ended."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import TextIO

import pytest

#: The most characters of a failure's reason.
REASON_LENGTH = 300


class Outcomes:
    """Writes `{"start": ID}` before a test and `{"id", "outcome", "reason"}` after it."""

    def __init__(self, lines: TextIO, root: str, after: str | None, part: tuple[int, int]) -> None:
        self._lines = lines
        self._part = part
        # Parameters that are paths are in the ids.
        self._paths = {root: "<sources>", str(Path(pytest.__file__).parent.parent): "<packages>"}
        self._after = after
        self._outcome = "passed"
        self._reason = ""

    def _name(self, nodeid: str) -> str:
        for path, name in self._paths.items():
            nodeid = nodeid.replace(path, name)
        return nodeid

    def tell(self, line: dict[str, object]) -> None:
        """Writes one line."""
        self._lines.write(f"\x1e{json.dumps(line)}\n")
        # Flush, because the interpreter may die in the next test.
        self._lines.flush()

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(
        self, config: pytest.Config, items: list[pytest.Item]
    ) -> None:
        """Skips other runs' parts, and what an earlier run did, up to the test in which it died."""
        kept = in_part(items, *self._part)
        chosen = {id(item) for item in kept}
        config.hook.pytest_deselected(items=[item for item in items if id(item) not in chosen])
        items[:] = kept
        ids = [self._name(item.nodeid) for item in items]
        if self._after in ids:
            done = ids.index(self._after) + 1
            config.hook.pytest_deselected(items=items[:done])
            items[:] = items[done:]

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """Reports a file that cannot be imported, or that skips itself."""
        if report.failed or report.skipped:
            outcome = "error" if report.failed else "skipped"
            self.tell(
                {"id": self._name(report.nodeid), "outcome": outcome, "reason": reason(report)}
            )

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        """Runs before a test."""
        self._outcome = "passed"
        self._reason = ""
        self.tell({"start": self._name(nodeid)})

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Runs after each phase of a test: the first that did not pass decides."""
        if self._outcome != "passed":
            return
        if hasattr(report, "wasxfail") and report.when == "call":
            # Some of these tests are races: the authors accept both outcomes.
            self._outcome = "xfail"
        elif report.skipped:
            self._outcome = "skipped"
        elif report.failed:
            self._outcome = "failed" if report.when == "call" else "error"
        if self._outcome != "passed":
            self._reason = reason(report)

    def pytest_runtest_logfinish(self, nodeid: str) -> None:
        """Runs after a test."""
        self.tell({"id": self._name(nodeid), "outcome": self._outcome, "reason": self._reason})


def in_part(items: list[pytest.Item], part: int, parts: int) -> list[pytest.Item]:
    """Returns the tests of one part. It has whole classes, because their tests share servers."""
    classes: dict[object, int] = {}
    for item in items:
        classes.setdefault(item.parent, len(classes))
    return [item for item in items if classes[item.parent] % parts == part]


def reason(report: pytest.CollectReport | pytest.TestReport) -> str:
    """Returns the exception in one line."""
    described = report.longrepr
    crash = getattr(described, "reprcrash", None)
    if crash is not None:
        text = str(crash.message)
    elif isinstance(described, tuple):
        text = str(described[2])
    else:
        text = last_error(str(described).splitlines())
    return " ".join(text.split())[:REASON_LENGTH]


def last_error(lines: Iterable[str]) -> str:
    """Returns the last line that pytest marks as the error, else the last line."""
    kept = [line for line in lines if line.strip()]
    marked = [line.removeprefix("E ") for line in kept if line.startswith("E ")]
    return (marked or kept or [""])[-1]
