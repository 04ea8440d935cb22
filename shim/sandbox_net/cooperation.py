"""Runs in line, one after the other, what natively runs in threads.

Started threads and calls of pools are *pending* until the program waits for something: a lock, a
queue, a result, the end of a thread, time. Then they run inside that wait, in their order, until
what it waits for has come. What runs in line may wait in turn, and then others run inside of it.

Nothing can go back to a wait further out while something inside of it still waits. Where a wait
further out is over and what is inside could only go on waiting, that thread is given up there: a
daemon that waits for others silently, as at the end of a program; others with an error that says
so, and only after a while where they sleep. A wait that nobody can end is an error.
"""

import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final

from .unsupported import Stuck

# How long a thread may go on sleeping when a wait further out is over, a daemon, and go on
# waiting for something with a timeout.
OVERDUE: Final = 30.0
OVERDUE_DAEMON: Final = 5.0
# How many waits may be inside of each other: beyond that the stack would end.
DEEPEST: Final = 60
# How long one event loop waits for its sockets while another does.
_SLICE: Final = 0.005
_ENDLESS: Final = float("inf")

monotonic: Final = time.monotonic
stock_sleep: Final = time.sleep


class GivenUp(BaseException):
    """Ends work that can only wait while someone further out can go on. Not to be caught."""

    def __init__(self, is_deadlock: bool, loop: Any = None) -> None:
        super().__init__()
        self.is_deadlock = is_deadlock
        self.loop = loop


class Work:
    """Something that is to run in line."""

    name = "a call"
    is_daemon = False
    # Whether it may go on for as long as it likes while others have waited long enough.
    is_patient = False
    # Whether the end of the program waits for it.
    outlives = True
    # Which wait it runs in, counted from the outermost.
    depth = -1
    # The condition at which it waits for its next task, to begin again when there is one.
    idle_at: object = None

    def is_ready(self) -> bool:
        """Whether running it now would do something."""
        return self.due() <= 0

    def due(self) -> float:
        """How long it is until running it does something."""
        return 0.0

    def run(self) -> None:
        """Runs it to its end. Raises nothing."""
        raise NotImplementedError


class _Wait:
    def __init__(self, is_met: Callable[[], bool], timeout: float | None) -> None:
        self.is_met = is_met
        self._begin = monotonic()
        self.timeout = timeout
        # What ran inside would have run at the same time natively: the longest counts.
        self.sum = self.longest = 0.0
        self.over_since: float | None = None
        self.sleeps = False

    def left(self) -> float:
        if self.timeout is None:
            return _ENDLESS
        return self._begin + self.timeout + self.sum - self.longest - monotonic()

    def is_over(self) -> bool:
        if self.over_since is None and (self.is_met() or self.left() <= 0):
            self.over_since = monotonic()
        return self.over_since is not None


pending: Final[deque[Work]] = deque()
# Work that was given up where it can begin again once there is something to do.
standing: Final[list[Work]] = []
running: Final[list[Work]] = []
_waits: Final[list[_Wait]] = []
# Event loops between two of their turns, further out.
_loops: Final[list[tuple[Any, Callable[[Any], None]]]] = []
# Puts in place what a thread has of its own, for a time.
around: list[Callable[[Work], Any]] = []
_given_up: Final[deque[str]] = deque(maxlen=4)


def is_busy() -> bool:
    """Whether a wait has to be done here."""
    return bool(pending or running or standing)


def is_waiting() -> bool:
    """Whether the program itself waits further out."""
    return bool(_waits)


def add(work: Work) -> None:
    """Work is to run when somebody waits."""
    pending.append(work)


def _next() -> Work | None:
    if pending:
        return pending.popleft()
    for index, work in enumerate(standing):
        if work.is_ready():
            return standing.pop(index)
    return None


def run(work: Work) -> None:
    """Runs work here and now."""
    running.append(work)
    work.depth = len(_waits) - 1
    begun = monotonic()
    try:
        with _own_state(work):
            work.run()
    finally:
        running.pop()
        if _waits:
            lasted = monotonic() - begun
            _waits[-1].sum += lasted
            _waits[-1].longest = max(_waits[-1].longest, lasted)


@contextmanager
def _own_state(work: Work) -> Iterator[None]:
    restores = [put(work) for put in around]
    try:
        yield
    finally:
        for restore in reversed(restores):
            restore()


def run_next() -> bool:
    """Runs what comes next; false where there is nothing."""
    work = _next()
    if work is None:
        return False
    run(work)
    return True


def wait(
    is_met: Callable[[], bool],
    timeout: float | None = None,
    what: str = "this wait",
    sleeps: bool = False,
) -> bool:
    """Waits until `is_met`, and runs what is pending meanwhile; false where the time is over.

    Raises:
        Stuck: nobody can end this wait.
    """
    if is_met():
        return True
    here = _Wait(is_met, timeout)
    here.sleeps = sleeps
    if here.left() <= 0 and timeout is not None:
        return False
    _waits.append(here)
    try:
        while True:
            if not (len(_waits) < DEEPEST and run_next()):
                _block(here, what)
            if here.left() <= 0:
                return False
            if is_met():
                return True
    finally:
        _waits.pop()


def _block(here: _Wait, what: str) -> None:
    """Nothing is left to run: lets time pass, or whoever is further out go on."""
    if _loops and _turn_a_loop(here.left()):
        return
    until = give_way(here.timeout is None, here.sleeps)
    left = min([here.left(), *(work.due() for work in standing)])
    if min(left, until) == _ENDLESS:
        raise Stuck(_stuck(what))
    if left > 0:
        stock_sleep(max(0.0, min(left, until)))


def _turn_a_loop(left: float) -> bool:
    """Has the innermost loop go on for a turn, where it has something to do or to wait for."""
    loop, turn = _loops[-1]
    if loop._stopping or not (loop._ready or loop._scheduled or has_files(loop)):
        return False
    wake = None if left == _ENDLESS else loop.call_later(max(0.0, left), _nothing)
    turn(loop)
    if wake is not None:
        wake.cancel()
    return True


def has_files(loop: Any) -> bool:
    """Whether an event loop waits for sockets."""
    return bool(len(loop._selector.get_map()) > loop._internal_fds)


def _nothing() -> None:
    pass


def _stuck(what: str) -> str:
    text = f"sandbox-net: there are no threads, so {what} would never end"
    if _given_up:
        text += f" ({'; '.join(_given_up)})"
    return text


def give_way(is_endless: bool, sleeps: bool, loop: Any = None) -> float:
    """Gives up what runs in line here where it can only wait; how long it may wait otherwise.

    `loop` is one that runs for ever, and begins again where it was given up.

    Raises:
        GivenUp: it is to end.
        Stuck: it is to end, and its program is to know.
    """
    if not running:
        return _ENDLESS
    work = running[-1]
    further = _waits[: work.depth + 1]
    over = [outer.over_since or 0.0 for outer in further if outer.is_over()]
    if over:
        if loop is not None or (work.is_daemon and not sleeps):
            raise GivenUp(False, loop)
        if work.is_patient and not is_endless:
            return _ENDLESS
        patience = OVERDUE if sleeps and not work.is_daemon else OVERDUE_DAEMON
        left = min(over) + patience - monotonic()
        if is_endless or left <= 0:
            _given_up.append(f"{work.name} was given up where it waited")
            raise Stuck(
                f"sandbox-net: there are no threads, and {work.name} is given up where it waits, "
                "so that the program can go on"
            )
        return left
    until = min([outer.left() for outer in further], default=_ENDLESS)
    if is_endless and until == _ENDLESS:
        _given_up.append(f"{work.name} waits, too")
        raise GivenUp(True, loop)
    return until


def run_all(of: Callable[[Work], bool]) -> None:
    """Runs all pending work that `of` picks, as at the end of a pool or of the program."""
    while work := next((work for work in pending if of(work)), None):
        pending.remove(work)
        run(work)


@contextmanager
def between_turns(loop: Any, turn: Callable[[Any], None]) -> Iterator[None]:
    """What runs inside may have `loop` go on."""
    _loops.append((loop, turn))
    timeout = None
    if loop._scheduled:
        timeout = max(0.0, loop._scheduled[0]._when - loop.time())
    if has_files(loop):
        timeout = min(_SLICE, _SLICE if timeout is None else timeout)
    _waits.append(_Wait(lambda: bool(loop._ready or loop._stopping), timeout))
    try:
        yield
    finally:
        _waits.pop()
        _loops.pop()


def sleep(seconds: float, /) -> None:
    """As `time.sleep`; what is pending runs meanwhile."""
    if not is_busy() or not isinstance(seconds, int | float) or not seconds >= 0:
        stock_sleep(seconds)
        return
    if seconds == 0:
        run_next()
        return
    wait(lambda: False, seconds, sleeps=True)
