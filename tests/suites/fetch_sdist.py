"""Fetches an sdist with pip and unpacks it: `fetch_sdist.py NAME==VERSION SHA256 DIR`."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path


def main() -> None:
    """Unpacks into DIR what the archive has below its one directory."""
    requirement, expected, directory = sys.argv[1:]
    name = requirement.partition("==")[0]
    with tempfile.TemporaryDirectory() as scratch:
        # pip asks the project for its dependencies even if it is told to ignore them.
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
        command += ["--disable-pip-version-check", "--no-binary", name, "--dest", scratch]
        subprocess.run([*command, requirement], check=True)
        (archive,) = Path(scratch).iterdir()
        found = hashlib.sha256(archive.read_bytes()).hexdigest()
        if found != expected:
            sys.exit(f"{archive.name} has the SHA-256 {found}; suite.toml expects {expected}")
        with tarfile.open(archive) as members:
            members.extractall(scratch, filter="data")
        (top,) = (path for path in Path(scratch).iterdir() if path.is_dir())
        shutil.copytree(top, directory, dirs_exist_ok=True)


if __name__ == "__main__":
    main()
