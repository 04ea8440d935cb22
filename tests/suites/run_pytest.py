"""Runs a library's own tests with pytest and reports each outcome as a line of JSON.

The same file runs on native Python and in the sandbox. The variable SUITE is a JSON object:

    tests      the paths to pass to pytest, below the current directory or absolute
    root       the sdist's directory
    arguments  further arguments of pytest
    part       which part of the tests to run, from 0, and of how many
    after      where to continue after a run that died: the id of the test it died in, or null
    library    the folder whose `stand_in.py` replaces the library's servers with those outside
    port       the port of the process that has these servers: see `outside.py`

A line begins with a record separator (RFC 7464), which distinguishes it from the tests' output.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
import tempfile
from pathlib import Path

# The folder is mounted read-only, and a run must not change the next one.
sys.dont_write_bytecode = True
FOLDER = str(Path(__file__).absolute().parent)
if FOLDER not in sys.path:
    sys.path.insert(0, FOLDER)

if not os.path.exists(os.devnull):
    # The sandbox has no devices, and pytest's logging needs a file that keeps nothing.
    os.devnull = os.path.join(tempfile.gettempdir(), "null")

import pytest  # noqa: E402
from plugin import Outcomes  # noqa: E402


def main() -> int:
    """Runs the tests and returns pytest's exit code."""
    suite = json.loads(os.environ["SUITE"])
    root = suite["root"]
    sys.path[:0] = [str(Path(FOLDER, suite["library"])), root]
    stand_in = importlib.import_module("stand_in")
    # Some tests open files of the sdist by relative paths.
    os.chdir(root)
    arguments = [
        "--capture=sys",
        "--rootdir",
        root,
        # pytest looks for one by the user's number, which the sandbox lacks.
        "--basetemp",
        os.path.join(tempfile.gettempdir(), "pytest"),
        "-p",
        "no:cacheprovider",
        "-p",
        "no:faulthandler",
        # The stand-ins import packages that are also plugins of pytest.
        "-W",
        "ignore::pytest.PytestAssertRewriteWarning",
        # A file that cannot be imported is reported as an error, and the others run.
        "--continue-on-collection-errors",
        *suite["arguments"],
        *suite["tests"],
    ]
    # Reports go to the real stdout, whatever pytest replaces it with.
    with open(1, "w", encoding="utf-8", closefd=False) as lines:
        outcomes = Outcomes(lines, root, suite["after"], tuple(suite["part"]))
        code = int(pytest.main(arguments, plugins=[stand_in, outcomes]))
        outcomes.tell({"end": code})
    return code


if __name__ == "__main__":
    sys.exit(main())
