"""What the soak programs share: which requests to make, and what is kept of their outcomes.

Arguments of each program: seed, number of requests, base URL of the plain server, and of the one
with TLS. With a last argument ``verbose`` each outcome is also printed on stderr.
"""

from __future__ import annotations

import functools
import gc
import hashlib
import ssl
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from report import emit, error_name

KINDS = (
    "reset",
    "early-end",
    "wrong-length",
    "slow",
    "huge-head",
    "redirect-loop",
    "bad-chunk",
    "bad-gzip",
    "tls-alert",
    "stall",
)
VARIANTS = 3
EVERY = 10
"""One of this many requests gets a broken answer."""
EVERY_FAULT = 300
"""Enough requests for every fault in every variant."""

PATIENCE = 60.0
"""How many seconds a client waits for an answer that comes."""
IMPATIENCE = 0.2
"""How many seconds a client waits for one that does not."""
REDIRECTS = 3
"""How many redirections a client follows."""


@dataclass(frozen=True)
class Task:
    """One request."""

    number: int
    kind: str
    variant: int
    url: str
    posted: bytes | None

    @property
    def method(self) -> str:
        """The method of the request."""
        return "GET" if self.posted is None else "POST"

    @property
    def timeout(self) -> float:
        """How many seconds to wait for the next bytes."""
        return IMPATIENCE if self.kind == "stall" else PATIENCE

    def expected(self) -> bytes | None:
        """The body of the right answer; ``None`` if there is none."""
        if self.kind not in ("right", "slow"):
            return None
        return b"answer %d\n" % self.number * (1 + self.number % 50) + (self.posted or b"")


class Soak:
    """The requests of one run and their outcomes."""

    def __init__(self) -> None:
        seed, count, plain, secure = sys.argv[1:5]
        self.seed, self.count = seed, int(count)
        self._origins = {"http": plain, "https": secure}
        self._verbose = sys.argv[5:] == ["verbose"]
        self._outcomes: dict[str, Counter[str]] = {}
        self._digests: dict[str, hashlib._Hash] = {}
        self._held: list[list[int]] = []

    def tasks(self) -> Iterator[Task]:
        """The requests in their order.

        What is held is counted at the end, and after a fifth, or as many as have every outcome.
        """
        counted = [_settled(max(EVERY_FAULT, self.count // 5)), _settled(self.count)]
        for number in range(self.count):
            self._held += [_held() for at in counted if at == number]
            yield self._task(number)

    def answered(self, task: Task, status: int, body: bytes) -> None:
        """Records an answer."""
        right = task.expected()
        if right is None:
            outcome = f"{status} {hashlib.sha256(body).hexdigest()[:16]}"
        else:
            outcome = "right" if (status, body) == (200, right) else f"{status} {body!r}"
        self._note(task, outcome)

    def failed(self, task: Task, error: BaseException) -> None:
        """Records an exception, with everything in it and all its causes."""
        self._note(task, " < ".join(_told(inner) for inner in _chain(error)))

    def report(self) -> None:
        """Prints the outcomes; call it when the client is closed."""
        for kind, seen in sorted(self._outcomes.items()):
            emit(kind, [seen, self._digests[kind].hexdigest()])
        emit("held", [*self._held, _held()])

    def _note(self, task: Task, outcome: str) -> None:
        kind = f"{task.kind}/{task.variant}"
        self._outcomes.setdefault(kind, Counter())[outcome] += 1
        line = f"{task.number} {kind} {outcome}\n"
        self._digests.setdefault(kind, hashlib.sha256()).update(line.encode())
        if self._verbose:
            sys.stderr.write(line)

    def _task(self, number: int) -> Task:
        drawn = self._drawn(str(number))
        kind, variant, posted = "right", drawn % VARIANTS, None
        if number % EVERY == EVERY - 1:
            # Each kind once in a hundred requests, in a random order; its variants take turns.
            block, place = divmod(number // EVERY, len(KINDS))
            kind = sorted(KINDS, key=lambda kind: self._drawn(f"{block} {kind}"))[place]
            variant = (block + KINDS.index(kind)) % VARIANTS
        elif drawn % 5 == 0:
            posted = b"posted %d\n" % number * (drawn % 100)
        scheme = "https" if drawn // 500 % 2 else "http"
        # Before 3.13, CPython takes a reset beneath TLS for an end.
        scheme = {"tls-alert": "https", "reset": "http"}.get(kind, scheme)
        url = f"{self._origins[scheme]}/{kind}/{variant}/{number}"
        return Task(number, kind, variant, url, posted)

    def _drawn(self, what: str) -> int:
        """A number that depends on the seed alone: `random` may differ between versions."""
        drawn = hashlib.sha256(f"{self.seed} {what}".encode()).digest()
        return int.from_bytes(drawn[:8], "big")


def _settled(number: int) -> int:
    """The request before `number` that follows the most right answers in a row."""
    return number // EVERY * EVERY - 1


def _chain(error: BaseException) -> list[BaseException]:
    """The exception, then what it contains or names as its cause, each once."""
    found: list[BaseException] = []
    pending: list[object] = [error]
    while pending:
        inner = pending.pop(0)
        if isinstance(inner, BaseException) and all(inner is not known for known in found):
            found.append(inner)
            before = None if inner.__suppress_context__ else inner.__context__
            pending += [*inner.args, getattr(inner, "reason", None), inner.__cause__, before]
    return found


def _told(error: BaseException) -> str:
    kind = type(error)
    module = "" if kind.__module__ == "builtins" else f"{kind.__module__}."
    name = module + kind.__qualname__
    if isinstance(error, ssl.SSLError):
        return f"{name}({error.reason})"
    # Numbers in libraries' own types may be OpenSSL's.
    if isinstance(error, OSError) and error.errno is not None and not module:
        return f"{name}({error_name(error)})"
    return name


def _held() -> list[int]:
    """How many objects there are, and how many of them are ends of sockets in a sandbox."""
    _empty_bounded_caches()
    gc.collect()
    objects = gc.get_objects()
    endpoint = sys.modules.get("sandbox_net.endpoint")
    # `isinstance` would cache every class that it sees.
    ends = (
        [] if endpoint is None else [it for it in objects if endpoint.Endpoint in type(it).__mro__]
    )
    return [len(objects) - _of_cancelled_timers(objects), len(ends)]


def _empty_bounded_caches() -> None:
    """Empties what fills up to a bound of its own: yarl has places for 128 redirections."""
    for module in list(sys.modules.values()):
        for it in list(getattr(module, "__dict__", {}).values()):
            # An unbounded one may be the leak.
            if type(it) is functools._lru_cache_wrapper and it.cache_parameters()["maxsize"]:
                it.cache_clear()


def _of_cancelled_timers(objects: list[Any]) -> int:
    """How many objects are cancelled timers, of which an event loop keeps up to a hundred."""
    events = sys.modules.get("asyncio.events")
    if events is None:
        return 0
    timers = [it for it in objects if type(it) is events.TimerHandle and it.cancelled()]
    return 2 * len(timers)  # each has a context of its own
