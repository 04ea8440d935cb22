"""Server-sent events; prints seconds. Arguments: base URL, the client, ``rate`` or ``latency``.

``rate`` is the time of one event among many that the server sends without waiting. ``latency`` is
the median time from the acknowledgement of an event, after which the server sends the next, to the
arrival of that next one. One clock measures both.
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

BASE, CLIENT, MEASURE = sys.argv[1:4]
MANY, PACED = 20_000, 300
# Streams have names, and every process uses its own.
NAME = f"{CLIENT}-{time.time_ns()}"
Lines = AbstractContextManager[Iterator[str]]


def with_requests() -> tuple[Callable[[str], Lines], Callable[[str], object]]:
    import requests

    session = requests.Session()

    @contextmanager
    def lines(url: str) -> Iterator[Iterator[str]]:
        with session.get(url, stream=True, timeout=60) as response:
            # Read byte by byte if an event must be seen as soon as it arrives.
            found = response.iter_lines(chunk_size=4096 if MEASURE == "rate" else 1)
            yield (line.decode() for line in found)

    other = requests.Session()
    return lines, lambda url: other.get(url, timeout=60).raise_for_status()


def with_httpx() -> tuple[Callable[[str], Lines], Callable[[str], object]]:
    import httpx

    client = httpx.Client(timeout=60)

    @contextmanager
    def lines(url: str) -> Iterator[Iterator[str]]:
        with client.stream("GET", url) as response:
            yield response.iter_lines()

    return lines, lambda url: client.get(url).raise_for_status()


def rate(lines: Callable[[str], Lines]) -> float:
    with lines(f"{BASE}/ticks/{MANY}?{NAME}") as found:
        start = time.perf_counter()
        count = sum(line.startswith("data: ") for line in found)
        elapsed = time.perf_counter() - start
    if count != MANY:
        raise SystemExit(f"{count} events of {MANY}")
    return elapsed / MANY


def latency(lines: Callable[[str], Lines], acknowledge: Callable[[str], object]) -> float:
    times = []
    with lines(f"{BASE}/events/{PACED}?{NAME}") as found:
        since = None
        for line in found:
            if not line.startswith("data: "):
                continue
            if since is not None:
                times.append(time.perf_counter() - since)
            since = time.perf_counter()
            acknowledge(f"{BASE}/acknowledge?{NAME}")
    if len(times) != PACED - 1:
        raise SystemExit(f"{len(times) + 1} events of {PACED}")
    return statistics.median(times)


LINES, ACKNOWLEDGE = with_requests() if CLIENT == "requests" else with_httpx()
print(rate(LINES) if MEASURE == "rate" else latency(LINES, ACKNOWLEDGE))
