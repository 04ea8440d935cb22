"""A program that searches everywhere for a secret that it may use.

``HIDDEN`` is the value in disguise, ``API_KEY`` its placeholder, ``URL`` its destination.
"""

from __future__ import annotations

import gc
import json
import os
import pathlib
import sys
import urllib.request

from report import emit

LIBRARY = tuple(path for path in sys.path if path)


def environment() -> bytes:
    return repr(sorted(os.environ.items())).encode()


def processes() -> bytes:
    """What a Unix system reveals about a process."""
    found = b""
    for name in ("environ", "cmdline", "mem", "maps", "fd/0", "fd/1", "fd/3"):
        for process in ("self", "1"):
            try:
                found += pathlib.Path(f"/proc/{process}/{name}").read_bytes()
            except OSError:
                continue
    return found


def files() -> bytes:
    """Every file except the modules, which no sandbox can write."""
    found = b""
    for directory, _, names in os.walk("/"):
        if not directory.startswith(LIBRARY[-1]):
            for name in names:
                path = pathlib.Path(directory, name)
                if path.suffix not in (".py", ".pyc"):
                    try:
                        found += bytes(path) + path.read_bytes()
                    except OSError:
                        continue
    return found


def objects() -> bytes:
    """What the interpreter has in its memory, the sockets' own objects included."""
    found = []
    for known in gc.get_objects():
        if isinstance(known, dict):
            found += [value for value in list(known.values()) if isinstance(value, (str, bytes))]
        elif isinstance(known, (list, tuple, set)):
            found += [value for value in list(known) if isinstance(value, (str, bytes))]
    return repr(found).encode()


def main() -> None:
    request = urllib.request.Request(
        os.environ["URL"], headers={"x-api-key": os.environ["API_KEY"]}
    )
    with urllib.request.urlopen(request, timeout=60) as response:
        body = json.load(response)
        emit("status", response.status)
    search = {"environment": environment, "proc": processes, "files": files, "objects": objects}
    texts = {place: look() for place, look in search.items()}
    # Decode it only now, so that the search does not find itself.
    value = bytes(byte ^ 0x55 for byte in bytes.fromhex(os.environ["HIDDEN"]))
    needles = [value, repr(value.decode()).encode()[1:-1], value[::-1]]
    placeholder = os.environ["API_KEY"].encode()
    found = {
        place: [any(needle in text for needle in needles), placeholder in text]
        for place, text in texts.items()
    }
    emit("places", found)
    assert body["method"] == "GET"


main()
