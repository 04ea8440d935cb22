"""Files in a sandbox. Arguments: a read-only directory, a writable one.

The working directory contains ``in.txt``; the read-only one contains ``given.txt``, and ``link``,
which points out of it.
"""

from __future__ import annotations

import pathlib
import sys

from report import attempt

READ_ONLY, WRITABLE = (pathlib.Path(argument) for argument in sys.argv[1:3])


def copy_input() -> object:
    pathlib.Path("out.bin").write_bytes(pathlib.Path("in.txt").read_bytes()[::-1])
    return pathlib.Path("out.bin").stat().st_size


def write(path: pathlib.Path) -> object:
    return path.write_text("written inside")


def refused(path: pathlib.Path) -> object:
    """Every way to change something, with the exception that it raised."""
    outcomes = []
    for change in (
        lambda: (path / "new.txt").write_text("x"),
        lambda: (path / "given.txt").write_text("x"),
        lambda: (path / "given.txt").open("r+b").close(),
        lambda: (path / "given.txt").unlink(),
        lambda: (path / "given.txt").rename(path / "moved.txt"),
        lambda: (path / "folder").mkdir(),
    ):
        try:
            change()
            outcomes.append("done")
        except OSError:
            outcomes.append("refused")
    return outcomes


def outside() -> object:
    """Host files that were not mounted, with the result of reading them."""
    outcomes = []
    for path in (
        pathlib.Path("/etc/passwd"),
        READ_ONLY / ".." / ".." / ".." / "etc" / "passwd",
        READ_ONLY / "link",
        pathlib.Path("../../etc/passwd"),
        pathlib.Path("/proc/self/environ"),
    ):
        try:
            outcomes.append(f"read {len(path.read_bytes())} bytes")
        except OSError:
            outcomes.append("refused")
    return outcomes


attempt("own directory", copy_input)
attempt("working directory", lambda: pathlib.Path.cwd().name)
attempt("read-only read", lambda: (READ_ONLY / "given.txt").read_text())
attempt("read-only list", lambda: sorted(path.name for path in READ_ONLY.iterdir()))
attempt("read-only changes", refused, READ_ONLY)
attempt("writable write", write, WRITABLE / "written.txt")
attempt("writable read", lambda: (WRITABLE / "written.txt").read_text())
attempt("outside", outside)
