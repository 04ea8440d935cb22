"""Runs the tests of the patch under each Python of the version manager; a missing one is said.

`python3 host/native/patch/tests/run_all.py`, with options of `unittest` if any.
"""

import os
import subprocess
import sys

VERSIONS = tuple(range(6, 15))


def interpreter(minor, root):
    """Returns the interpreter of Python 3.`minor`."""
    names = sorted(os.listdir(root)) if os.path.isdir(root) else []
    for name in names:
        path = os.path.join(root, name, "bin", "python3")
        if name.startswith(f"3.{minor}.") and os.path.exists(path):
            return path
    return None


def main():
    """Runs them; the exit code is 1 if a test fails."""
    root = os.path.join(os.environ.get("PYENV_ROOT") or os.path.expanduser("~/.pyenv"), "versions")
    here = os.path.dirname(os.path.abspath(__file__))
    failed = []
    for minor in VERSIONS:
        python = interpreter(minor, root)
        if python is None:
            print(f"skipped: Python 3.{minor} is missing", flush=True)
            continue
        print(f"Python 3.{minor}", flush=True)
        command = [python, "-W", "ignore", "-m", "unittest", "discover", "-s", here, *sys.argv[1:]]
        if subprocess.call(command, env=dict(os.environ, PYTHONDONTWRITEBYTECODE="1")):
            failed.append(f"3.{minor}")
    if failed:
        print("failed: " + ", ".join(failed))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
