"""Runs a library's own tests with pytest and tells each outcome as a line of JSON.

The same on native Python and in the sandbox. The environment variable SUITE is a JSON object:

    tests      the paths that pytest is given, below the current directory or absolute
    root       the sdist's directory
    arguments  further arguments of pytest
    after      where a run that died is taken up again: the id of the test it died in, or null
    library    the folder whose `stand_in.py` puts servers outside in the place of the library's own
    port       where the process that has these servers is called: see `outside.py`

A line begins with a record separator (RFC 7464), so that whatever tests write is told apart.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
import tempfile
from pathlib import Path

# The folder is shown read-only, and nothing of a run may change the next one.
sys.dont_write_bytecode = True
FOLDER = str(Path(__file__).absolute().parent)
if FOLDER not in sys.path:
    sys.path.insert(0, FOLDER)

if not os.path.exists(os.devnull):
    # The sandbox has no devices; pytest's logging wants a file of which nothing is kept.
    os.devnull = os.path.join(tempfile.gettempdir(), "null")

import pytest  # noqa: E402
from plugin import Outcomes  # noqa: E402


def main() -> int:
    """Runs the tests and gives pytest's exit code."""
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
        # pytest finds one by the user's number, which the sandbox has not.
        "--basetemp",
        os.path.join(tempfile.gettempdir(), "pytest"),
        "-p",
        "no:cacheprovider",
        "-p",
        "no:faulthandler",
        # The stand-ins import packages that are plugins of pytest as well.
        "-W",
        "ignore::pytest.PytestAssertRewriteWarning",
        # A file that cannot be imported is told as an error, and the others are run.
        "--continue-on-collection-errors",
        *suite["arguments"],
        *suite["tests"],
    ]
    # What is told goes to the real stdout, whatever pytest puts in its place.
    with open(1, "w", encoding="utf-8", closefd=False) as lines:
        outcomes = Outcomes(lines, root, suite["after"])
        code = int(pytest.main(arguments, plugins=[stand_in, outcomes]))
        outcomes.tell({"end": code})
    return code


if __name__ == "__main__":
    sys.exit(main())
