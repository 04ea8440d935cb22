"""Programs that do not end by themselves. Arguments: the program's name, and a URL for some."""

from __future__ import annotations

import sys
import time
import urllib.request

from report import emit


def wait_for_the_server() -> None:
    """The program's own timeout is much longer than the limit of the run."""
    urllib.request.urlopen(sys.argv[2], timeout=300)


def read_what_never_comes() -> None:
    urllib.request.urlopen(sys.argv[2], timeout=300).read()


def catch_everything() -> None:
    """A program that ignores everything and continues."""
    while True:
        try:
            wait_for_the_server()
        except BaseException:
            continue


def loop() -> None:
    while True:
        pass


def sleep() -> None:
    time.sleep(300)


def fill_memory() -> None:
    held = []
    try:
        while True:
            held.append(bytearray(4 << 20))
    except MemoryError:
        count = len(held)
        held.clear()
        emit("memory", ["MemoryError", count > 0])
        emit("after it", len(bytearray(1 << 20)))


def succeed() -> None:
    with urllib.request.urlopen(sys.argv[2]) as response:
        emit("good", response.status)


globals()[sys.argv[1]]()
emit("the end", sys.argv[1])
