"""A waiting thread continues whenever another one waits, for however short a time."""

import asyncio
import contextlib
import functools
import queue
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

ENOUGH = 20
MAIN = threading.current_thread()
once = threading.Lock()


class Ticker:
    """A thread that ticks without end, and all ways to wait for its ticks."""

    def __init__(self, name: str, pause: Callable[[], object]) -> None:
        self.name, self.ticks, self.pause = name, 0, pause
        self.thread = threading.Thread(target=self.run, name=name, daemon=True)
        self.thread.start()

    def run(self) -> None:
        while True:
            with once:
                self.tick()
            self.pause()

    def tick(self) -> None:
        assert threading.current_thread() is self.thread
        self.ticks += 1

    def has_ticked(self) -> bool:
        return self.ticks > ENOUGH


never, nothing, held = threading.Event(), queue.Queue(), threading.Lock()
held.acquire()
condition = threading.Condition()


def wait_on_condition() -> None:
    with condition:
        condition.wait(0.001)


def nap() -> None:
    time.sleep(0.001)


def nap_below() -> None:
    try:
        nap()
    finally:
        assert threading.current_thread() is not MAIN


def nothing_comes(get: Callable[..., object]) -> None:
    with contextlib.suppress(queue.Empty):
        get(timeout=0.001)


PAUSES: dict[str, Callable[[], object]] = {
    "sleep": lambda: time.sleep(0.001),
    "sleep(0)": functools.partial(time.sleep, 0),
    "a sleep further in": nap_below,
    "event": lambda: never.wait(0.001),
    "queue": lambda: nothing_comes(nothing.get),
    "simple queue": lambda: nothing_comes(queue.SimpleQueue().get),
    "lock": lambda: held.acquire(timeout=0.001),
    "condition": wait_on_condition,
    "wait_for": lambda: never.wait(0.001) or never.is_set(),
    "join": lambda: MAIN.join(0.001),
    "semaphore": lambda: threading.Semaphore(0).acquire(timeout=0.001),
}


def sleep_until(is_met: Callable[[], bool]) -> None:
    while not is_met():
        time.sleep(0.001)


def sleep_not_at_all(is_met: Callable[[], bool]) -> None:
    while not is_met():
        time.sleep(0)


def wait_for_an_event(is_met: Callable[[], bool]) -> None:
    while not is_met():
        never.wait(0.001)


def wait_for_a_queue(is_met: Callable[[], bool]) -> None:
    while not is_met():
        nothing_comes(nothing.get)


def wait_for_a_lock(is_met: Callable[[], bool]) -> None:
    while not is_met():
        held.acquire(timeout=0.001)


def join_the_thread(is_met: Callable[[], bool]) -> None:
    while not is_met():
        tickers[0].thread.join(0.001)


def turn_a_loop(is_met: Callable[[], bool]) -> None:
    async def turn() -> None:
        while not is_met():
            await asyncio.sleep(0)

    asyncio.run(turn())


def sleep_in_a_loop(is_met: Callable[[], bool]) -> None:
    async def turn() -> None:
        while not is_met():
            await asyncio.sleep(0.001)

    asyncio.run(turn())


def wait_beside_a_call(is_met: Callable[[], bool]) -> None:
    async def turn() -> None:
        loop = asyncio.get_running_loop()
        call = loop.run_in_executor(None, sleep_until, is_met)
        while not call.done():
            await asyncio.sleep(0)

    asyncio.run(turn())


def ask_a_call(is_met: Callable[[], bool]) -> None:
    with ThreadPoolExecutor() as pool:
        future = pool.submit(sleep_until, is_met)
        while not future.done():
            time.sleep(0)


def ask_an_event(is_met: Callable[[], bool]) -> None:
    event = threading.Event()

    def tell() -> None:
        sleep_until(is_met)
        event.set()

    threading.Thread(target=tell).start()
    while not event.is_set():
        pass


def ask_a_queue(is_met: Callable[[], bool]) -> None:
    told: queue.Queue[int] = queue.Queue()

    def tell() -> None:
        sleep_until(is_met)
        told.put(1)

    threading.Thread(target=tell).start()
    while told.empty():
        pass


WAITS = [
    sleep_until,
    sleep_not_at_all,
    wait_for_an_event,
    wait_for_a_queue,
    wait_for_a_lock,
    join_the_thread,
    turn_a_loop,
    sleep_in_a_loop,
    wait_beside_a_call,
    ask_a_call,
    ask_an_event,
    ask_a_queue,
]
tickers: list[Ticker] = []
for name, pause in PAUSES.items():
    tickers[:] = [Ticker(name, pause)]
    for wait in WAITS:
        begun = time.monotonic()
        tickers[0].ticks = 0
        wait(tickers[0].has_ticked)
        print(name, wait.__name__, time.monotonic() - begun < 3)
    tickers[0].pause = functools.partial(time.sleep, 3600)

# The others end a thread between short waits.
asked, answered, stop = queue.Queue(1), queue.Queue(1), threading.Event()


def answer() -> None:
    for number in iter(asked.get, None):
        answered.put(number * number)
    stop.wait()
    answered.put("ended")


def heartbeat(beats: list[int]) -> None:
    while not stop.wait(timeout=0.002):
        beats.append(len(beats))


beats: list[int] = []
threads = [threading.Thread(target=answer), threading.Thread(target=heartbeat, args=[beats])]
for thread in threads:
    thread.start()
for number in range(5):
    asked.put(number)
    time.sleep(0.003)
    print(answered.get(timeout=5))
asked.put(None)
while len(beats) < 10:
    time.sleep(0.001)
stop.set()
print(answered.get())
for thread in threads:
    thread.join()
print([thread.is_alive() for thread in threads])

# Under a lock, sums that are read before a wait and written after it are right.
total = 0


def add(lock: threading.Lock) -> None:
    global total
    go.wait()
    for _ in range(5):
        with lock:
            before = total
            time.sleep(0.0005)
            total = before + 1


for lock in (threading.Lock(), threading.RLock(), threading.Condition(), threading.Semaphore()):
    go = threading.Event()
    threads = [threading.Thread(target=add, args=[lock]) for _ in range(4)]
    for thread in threads:
        thread.start()
    print(sum(thread in threading.enumerate() for thread in threads))
    go.set()
    while any(thread.is_alive() for thread in threads):
        time.sleep(0.001)
        with lock:
            before = total
            time.sleep(0.0005)
            total = before
    print(total, sum(thread in threading.enumerate() for thread in threads))
again = threading.RLock()
with again, again:
    print(again.acquire(blocking=False), again._is_owned())
    again.release()


class Base(threading.Thread):
    def run(self) -> None:
        self.steps = ["base"]
        self._private(time.sleep)

    def _private(self, pause: Callable[[float], None]) -> None:
        self.__mangled = 2
        pause(0.001)
        self.steps.append(f"private {self.__mangled}")


class Derived(Base):
    def run(self) -> None:
        super().run()
        step = self.steps.append
        try:
            time.sleep(0.001)
            raise LookupError("of the thread")
        except LookupError as error:
            time.sleep(0.001)
            step(str(error))
        else:
            step("never")
        finally:
            step("at last")
        with self:
            step(time.sleep(0.001))
        for number in range(2):
            if number:
                continue
            step([each for each in range(2) if time.sleep(0.0001) is None])

    def __enter__(self) -> "Derived":
        return self

    def __exit__(self, *_: object) -> None:
        self.steps.append("left")


derived = Derived()
derived.start()
while derived.is_alive():
    time.sleep(0.001)
print(derived.steps)
