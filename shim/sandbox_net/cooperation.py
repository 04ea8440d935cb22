"""Runs work in line, one piece after the other, that natively runs in threads.

Started threads and calls of pools are *pending* until the program waits for something: a lock, a
queue, a result, the end of a thread, time. They then run inside that wait, in their order, until
the wait is over. Work that runs in line may wait in turn, and then other work runs inside it.

An outer wait cannot return while an inner one still waits. If an outer wait is over and the inner
work could only wait on, that work is given up: a daemon that waits for others ends silently, as at
the end of a program; others get an error that says so, and sleeping work gets a while first. A wait
that nobody can end is an error.
"""

import sys
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final

from .live_locks import Asking
from .unsupported import Stuck

# How long a thread may go on after an outer wait is over: a sleeping daemon, and one that waits for
# something with a timeout.
OVERDUE: Final = 30.0
OVERDUE_DAEMON: Final = 5.0
# How many waits may nest; with more the stack would overflow.
DEEPEST: Final = 60
# How much of the recursion limit is kept for work that begins inside a wait: one third beside a
# wait for the host, where it can as well begin later, and two thirds elsewhere.
_THIRDS: Final = 3
# How long one event loop waits for its sockets while another one does.
_SLICE: Final = 0.005
# After how many equal questions a program counts as waiting, and how long each then pauses.
_OFTEN: Final = 100
_MOMENT: Final = 0.0001
_ENDLESS: Final = float("inf")

monotonic: Final = time.monotonic
stock_sleep: Final = time.sleep


class GivenUp(BaseException):
    """Ends work that can only wait while an outer wait could return. Do not catch it."""

    def __init__(self, is_deadlock: bool, loop: Any = None) -> None:
        super().__init__()
        self.is_deadlock = is_deadlock
        self.loop = loop


class Work:
    """A piece of work to run in line."""

    name = "a call"
    is_daemon = False
    # Whether it may continue without limit although outer waits are over.
    is_patient = False
    # Whether the end of the program waits for it.
    outlives = True
    # The wait that it runs in, counted from the outermost.
    depth = -1
    # Whether its frames were suspended, so that running it continues them.
    is_midway = False
    asking = Asking()
    # The condition at which it waits for its next task, and starts again when there is one.
    idle_at: object = None

    def is_ready(self) -> bool:
        """Whether it could continue now."""
        return self.due() <= 0

    def can_be_left(self) -> bool:
        """Whether its frames can be suspended, if it has not begun."""
        return False

    def may_begin(self) -> bool:
        """Whether it may run as soon as somebody waits."""
        return True

    def due(self) -> float:
        """Returns how long it is until it can continue."""
        return 0.0

    def run(self) -> None:
        """Runs it to its end. Raises nothing."""
        raise NotImplementedError


class Request:
    """What suspended work waits for (`resumable`)."""

    __slots__ = ("_end", "is_met")

    def __init__(self, is_met: Callable[[], bool], timeout: float | None = None) -> None:
        self.is_met = is_met
        self._end = _ENDLESS if timeout is None else monotonic() + timeout

    def due(self) -> float:
        """Returns how long it is until the work continues."""
        return 0.0 if self.is_met() else max(0.0, self._end - monotonic())


class _Wait:
    def __init__(self, is_met: Callable[[], bool], timeout: float | None) -> None:
        self.is_met = is_met
        self._begin = monotonic()
        self.timeout = timeout
        # Natively all of this would have run at the same time, so the longest counts.
        self.sum = self.longest = 0.0
        self._lasted: dict[int, float] = {}
        self.over_since: float | None = None
        self.sleeps = False

    def count(self, work: "Work", lasted: float) -> None:
        """Notes that work ran inside this wait for that long."""
        whole = self._lasted[id(work)] = self._lasted.get(id(work), 0.0) + lasted
        self.sum += lasted
        self.longest = max(self.longest, whole)

    def left(self) -> float:
        if self.timeout is None:
            return _ENDLESS
        return self._begin + self.timeout + self.sum - self.longest - monotonic()

    def is_over(self) -> bool:
        if self.over_since is None and (self.is_met() or self.left() <= 0):
            self.over_since = monotonic()
        return self.over_since is not None


pending: Final[deque[Work]] = deque()
# Work that was given up where it can start again once there is something to do.
standing: Final[list[Work]] = []
running: Final[list[Work]] = []
_waits: Final[list[_Wait]] = []
# Event loops between two of their turns, further out.
_loops: Final[list[tuple[Any, Callable[[Any], None]]]] = []
# Swaps the data of a thread in, for a time.
around: list[Callable[[Work], Any]] = []
_given_up: Final[deque[str]] = deque(maxlen=4)
# Threads that never continue, because their frames could not be suspended.
lost: Final[deque[str]] = deque(maxlen=4)
_asking: Final = Asking()
# What the program last asked, and how often in a row.
_asked: object = None
_times = 0


def is_busy() -> bool:
    """Whether a wait has to be handled here."""
    return bool(pending or running or standing)


def could_lose() -> bool:
    """Whether some work would be given up if it waited too long."""
    return not all(work.is_midway for work in (*pending, *running, *standing))


def is_waiting() -> bool:
    """Whether the program itself waits further out."""
    return bool(_waits)


def add(work: Work) -> None:
    """Adds work to run when somebody waits."""
    pending.append(work)


def _next() -> Work | None:
    if (work := next((work for work in pending if work.may_begin()), None)) is not None:
        pending.remove(work)
        return work
    for index, work in enumerate(standing):
        if work.is_ready():
            return standing.pop(index)
    return None


def run(work: Work) -> None:
    """Runs work now."""
    running.append(work)
    work.depth = len(_waits) - 1
    begun = monotonic()
    try:
        with _own_state(work):
            work.run()
    finally:
        running.pop()
        if _waits:
            _waits[-1].count(work, monotonic() - begun)


@contextmanager
def _own_state(work: Work) -> Iterator[None]:
    restores = [put(work) for put in around]
    try:
        yield
    finally:
        for restore in reversed(restores):
            restore()


def run_next() -> bool:
    """Runs the next piece of work; returns false if there is none."""
    work = _next()
    if work is None:
        return False
    run(work)
    return True


def _has_frames_left(thirds: int) -> bool:
    """Whether at most so many thirds of the recursion limit are in use."""
    most = sys.getrecursionlimit() * thirds // _THIRDS
    frame = sys._getframe()
    while frame.f_back is not None and most > 0:
        frame, most = frame.f_back, most - 1
    return most > 0


def _may_nest() -> bool:
    """Whether one more wait may run work inside it; the outermost always may."""
    return len(_waits) == 1 or _has_frames_left(2)


def go_on_beside(is_ready: Callable[[], bool], timeout: float | None) -> float:
    """Continues one piece of work beside a wait for the host; returns how long until the next one.

    It takes only work whose frames can be suspended: other work could delay what the host has
    ready.
    """
    if not (pending or standing):
        return _ENDLESS
    work = None
    if pending and _has_frames_left(1):
        work = next((work for work in pending if work.can_be_left() and work.may_begin()), None)
    if work is not None:
        pending.remove(work)
    else:
        work = next((work for work in standing if work.is_midway and work.is_ready()), None)
        if work is None:
            return min([work.due() for work in standing if work.is_midway], default=_ENDLESS)
        standing.remove(work)
    _waits.append(_Wait(is_ready, timeout))
    try:
        run(work)
    finally:
        _waits.pop()
    return 0.0


def wait(
    is_met: Callable[[], bool],
    timeout: float | None = None,
    what: str = "this wait",
    sleeps: bool = False,
) -> bool:
    """Waits until `is_met`, and runs pending work meanwhile; returns false after the deadline.

    Raises:
        Stuck: nobody can end this wait.
    """
    if timeout is not None:
        _tell_if_endless()
    if is_met():
        return True
    here = _Wait(is_met, timeout)
    here.sleeps = sleeps
    if here.left() <= 0 and timeout is not None:
        return False
    _waits.append(here)
    try:
        while True:
            if not (len(_waits) < DEEPEST and _may_nest() and run_next()):
                _block(here, what)
            if here.left() <= 0:
                return False
            if is_met():
                return True
    finally:
        _waits.pop()


def _block(here: _Wait, what: str) -> None:
    """Lets time pass, or an outer wait return, because no work is left to run."""
    if _loops and _turn_a_loop(here.left()):
        return
    due = min([work.due() for work in standing], default=_ENDLESS)
    # Suspended work continues inside this wait, too, and may end it.
    others = min([work.due() for work in standing if work.is_midway], default=_ENDLESS)
    until = give_way(here.timeout is None and others == _ENDLESS, here.sleeps)
    left = min(here.left(), due)
    if min(left, until) == _ENDLESS:
        raise Stuck(_stuck(what))
    if left > 0:
        stock_sleep(max(0.0, min(left, until)))


def _turn_a_loop(left: float) -> bool:
    """Runs one turn of the innermost loop, if it has something to do or to wait for."""
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


def _tell_if_endless() -> None:
    """Ends a loop of short waits for a thread that no longer exists."""
    if lost and not (pending or running) and _asking.is_endless():
        raise Stuck(
            "sandbox-net: there are no threads, and the program goes on asking for what "
            f"{lost[-1]} would do, which was given up: what it ran could not be left where it "
            "waited. Let it wait in a plain function of a file, or use asyncio"
        )


def _stuck(what: str) -> str:
    text = f"sandbox-net: there are no threads, so {what} would never end"
    told = [*_given_up, *(f"{work.name} waits, too" for work in standing if work.is_midway)]
    if told:
        text += f" ({'; '.join(told[-4:])})"
    return text


def give_way(is_endless: bool, sleeps: bool, loop: Any = None) -> float:
    """Gives up work in line that can only wait; returns how long it may still wait otherwise.

    `loop` is a loop that runs for ever, and that starts again where it was given up.

    Raises:
        GivenUp: it has to end.
        Stuck: it has to end, and its program has to know.
    """
    if not running:
        return _ENDLESS
    work = running[-1]
    further = _waits[: work.depth + 1]
    over = [outer.over_since or 0.0 for outer in further if outer.is_over()]
    if over:
        if loop is not None or (work.is_daemon and not sleeps):
            if loop is None and work.idle_at is None:
                lost.append(work.name)
            raise GivenUp(False, loop)
        if work.is_patient and not is_endless and not work.asking.is_endless():
            return _ENDLESS
        patience = OVERDUE if sleeps and not work.is_daemon else OVERDUE_DAEMON
        left = min(over) + patience - monotonic()
        if is_endless or left <= 0 or work.is_patient:
            lost.append(work.name)
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
    """Runs all pending work that `of` selects, as at the end of a pool or of the program."""
    while True:
        if work := next((work for work in pending if of(work) and work.may_begin()), None):
            pending.remove(work)
            run(work)
        elif any(work.is_midway and of(work) for work in standing):
            wait(lambda: not _is_any_midway(of), what="waiting for the end of threads")
        else:
            return


def _is_any_midway(of: Callable[[Work], bool]) -> bool:
    left = (work for work in (*standing, *running) if work.is_midway)
    return any(of(work) for work in left) or any(of(work) for work in pending)


@contextmanager
def between_turns(loop: Any, turn: Callable[[Any], None]) -> Iterator[None]:
    """Lets work inside this block run turns of `loop`."""
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


def note_asking(what: object) -> None:
    """Takes a program that asks the same a hundred times as waiting: threads continue."""
    global _asked, _times
    _times = _times + 1 if _asked is what else 0
    _asked = what
    if _times >= _OFTEN:
        _times = 0  # the threads may ask, too
        wait(lambda: False, _MOMENT, sleeps=True)
        _asked, _times = what, _OFTEN


def sleep(seconds: float, /) -> None:
    """As `time.sleep`; pending work runs meanwhile."""
    if not is_busy() or not isinstance(seconds, int | float) or not seconds >= 0:
        if lost:
            _tell_if_endless()
        _sleep_on(seconds)
        return
    if seconds == 0:
        _tell_if_endless()
        run_next()
        return
    wait(lambda: False, seconds, sleeps=True)


def _sleep_on(seconds: Any) -> None:
    """Sleeps to the end, whatever a handler of signals does meanwhile."""
    begun = time.monotonic()
    stock_sleep(seconds)
    while isinstance(seconds, int | float) and (left := seconds - (time.monotonic() - begun)) > 0:
        stock_sleep(left)
