"""Attempts that fill, outrun or outlast the host's record: ``HOW COUNT HOST PORT [URL…]``."""

from __future__ import annotations

import contextlib
import socket
import sys
import time
import urllib.request
from collections.abc import Callable

import frames
from report import attempt

LONG = "x" * 2000


def malformed(count: int, _host: str, port: int) -> None:
    """Use invalid hosts with long names."""
    for number in range(count):
        frames.call(frames.CONNECT, 0, port, frames.connect_payload(f"{number}{LONG}"))


def denied(count: int, host: str, port: int) -> None:
    """Use one host that no rule allows."""
    payload = frames.connect_payload(host)
    for _ in range(count):
        frames.call(frames.CONNECT, 0, port, payload)


def looked_up(count: int, host: str, port: int) -> None:
    """Look names up, one after the other."""
    for number in range(count):
        with contextlib.suppress(OSError):
            socket.getaddrinfo(f"n{number}.{host}", port)


def waiting(count: int, host: str, port: int) -> None:
    """Begin to connect, many times at once, and wait without end."""
    payload = frames.connect_payload(host)
    handles = [frames.call(frames.CONNECT, 0, port, payload).value for _ in range(count)]
    print("waiting", flush=True)
    if handles:
        time.sleep(3600)


def given_up(count: int, host: str, port: int) -> None:
    """Begin to connect, and cancel that."""
    payload = frames.connect_payload(host)
    handles = [frames.call(frames.CONNECT, 0, port, payload).value for _ in range(count)]
    time.sleep(0.05)
    for handle in handles:
        frames.call(frames.CLOSE, handle)


def at_once(count: int, host: str, port: int) -> None:
    """Begin to connect, many times at once, and count the results."""
    payload = frames.connect_payload(host)
    replies = [frames.call(frames.CONNECT, 0, port, payload) for _ in range(count)]
    for reply in replies:
        if reply.status == frames.OK:
            frames.finished(frames.STATUS, reply.value, 0, frames.PHASE)


def fetched(url: str) -> int:
    """GET it, to the end."""
    with urllib.request.urlopen(url, timeout=60) as response:
        response.read()
        return int(response.status)


HOW: dict[str, Callable[[int, str, int], None]] = {
    "malformed": malformed,
    "denied": denied,
    "looked_up": looked_up,
    "waiting": waiting,
    "given_up": given_up,
    "at_once": at_once,
}


def main() -> None:
    how, count, host, port, *urls = sys.argv[1:]
    HOW[how](int(count), host, int(port))
    for url in urls:
        attempt(url, fetched, url)


if __name__ == "__main__":
    main()
