"""Functions that wait in the middle keep all their state, however they are written."""

import asyncio
import contextlib
import contextvars
import functools
import queue
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, as_completed, wait

NAP = 0.001


def start(
    function: Callable[..., object], *arguments: tuple[object, ...]
) -> list[threading.Thread]:
    threads = [threading.Thread(target=function, args=each) for each in arguments]
    for thread in threads:
        thread.start()
    return threads


def poll(threads: list[threading.Thread]) -> None:
    while any(thread.is_alive() for thread in threads):
        time.sleep(NAP / 2)


# Variables of contexts and of threads.
variable = contextvars.ContextVar("variable", default=0)
local = threading.local()
seen: list[int] = []


def keep(number: int) -> None:
    variable.set(number)
    local.number = number
    for _ in range(3):
        time.sleep(NAP)
        assert variable.get() == local.number == number
    seen.append(number)


threads = start(keep, (1,), (2,), (3,))
local.number = "of the main thread"
poll(threads)
print(sorted(seen), variable.get(), local.number)

# Errors, with the lines of the program in their tracebacks.
told: list[tuple[str, str, str, object]] = []


def tell(args: threading.ExceptHookArgs) -> None:
    frames = traceback.extract_tb(args.exc_traceback)
    own = [(frame.name, frame.line) for frame in frames if frame.filename == __file__]
    told.append((args.exc_type.__name__, str(args.exc_value), repr(args.exc_value.__cause__), own))


threading.excepthook = tell


def fail() -> None:
    time.sleep(NAP)
    raise KeyError("further in")


def fail_again() -> None:
    try:
        fail()
    except KeyError as error:
        time.sleep(NAP)
        raise ValueError("further out") from error


def leave() -> None:
    time.sleep(NAP)
    sys.exit(3)


poll(start(fail_again, ()) + start(leave, ()))
print(sorted(told))


# Closures and parameters of every kind.
def make() -> tuple[Callable[..., int], Callable[[], int]]:
    total = 0

    def add(a: int, /, b: int = 2, *rest: int, c: int = 3, **named: int) -> int:
        nonlocal total
        time.sleep(NAP)
        total += a + b + c + sum(rest) + sum(named.values())
        return total

    return add, lambda: total


add, get = make()
with ThreadPoolExecutor(3) as pool:
    named = [{}, {"z": 5}] * 2
    futures = [pool.submit(add, 1, *range(n), **named[n]) for n in range(4)]
    while not all(future.done() for future in futures):
        time.sleep(0)
print(get())


# Statements.
def state(number: int) -> object:
    try:
        for each in iter(functools.partial(next, iter([1, 2, 3])), 3):
            if each == 9:
                break
        else:
            time.sleep(NAP)
            text = f"{number!r}:{str(number).upper()} {(absolute := abs(-number))} {absolute}"
        match number:
            case int() if number < 5:
                return text
            case _:
                return None
    finally:
        time.sleep(NAP)
        seen.append(-number)


with ThreadPoolExecutor() as pool:
    print(list(pool.map(state, [1, 2, 7])), sorted(seen))


# Decorators, methods, and what can be called.
def slowly(function: Callable[..., object]) -> Callable[..., object]:
    @functools.wraps(function)
    def call(*args: object) -> object:
        time.sleep(NAP)
        return function(*args)

    return call


class Methods:
    @slowly
    def plain(self) -> str:
        time.sleep(NAP)
        return type(self).__name__

    @staticmethod
    def static() -> str:
        time.sleep(NAP)
        return "static"

    @classmethod
    def of_class(cls) -> str:
        time.sleep(NAP)
        return cls.__name__

    def __call__(self) -> str:
        time.sleep(NAP)
        return "called"


def numbers() -> Iterator[int]:
    for number in range(3):
        time.sleep(NAP)
        yield number


def stop() -> None:
    time.sleep(NAP)
    raise StopIteration("by hand")


def catch_stop() -> str:
    try:
        stop()
    except StopIteration as error:
        return f"caught {error}"
    return "never"


with ThreadPoolExecutor() as pool:
    calls = (Methods().plain, Methods.static, Methods.of_class, Methods(), catch_stop)
    print([future.result() for future in [pool.submit(call) for call in calls]])
    print(pool.submit(lambda: list(numbers())).result(), pool.submit(sum, numbers()).result())
    print(repr(pool.submit(stop).exception()))
    slow = [pool.submit(time.sleep, seconds) for seconds in (0.001, 0.2, 0.2)]
    done, rest = wait(slow, return_when=FIRST_COMPLETED)
    print(slow[0] in done, len(done | rest), [each.result() for each in as_completed(slow)])

# A timer that sets the next one.
fired: list[int] = []


def fire() -> None:
    fired.append(1)
    if len(fired) < 3:
        threading.Timer(2 * NAP, fire).start()


fire()
while len(fired) < 3:
    time.sleep(NAP)
print(fired)

# Several producers and several consumers.
narrow: "queue.Queue[tuple[int, int] | None]" = queue.Queue(3)
taken: list[tuple[int, int]] = []


def produce(name: int) -> None:
    for number in range(5):
        narrow.put((name, number))
        time.sleep(NAP / 2)


def consume() -> None:
    while True:
        found = narrow.get()
        if found is not None:
            time.sleep(NAP / 2)
            taken.append(found)
        narrow.task_done()
        if found is None:
            return


consumers, producers = start(consume, (), ()), start(produce, (0,), (1,), (2,))
for thread in producers:
    thread.join()
for _ in consumers:
    narrow.put(None)
narrow.join()
poll(consumers)
print(sorted(taken) == [(name, number) for name in range(3) for number in range(5)])

# A lock that a generator takes, which cannot be suspended where it waits.
lock, count = threading.Lock(), 0


@contextlib.contextmanager
def held() -> Iterator[None]:
    lock.acquire()
    try:
        yield
    finally:
        lock.release()


def increment() -> None:
    global count
    for _ in range(3):
        with held():
            before = count
            time.sleep(NAP / 2)
            count = before + 1


for thread in start(increment, (), (), ()):
    thread.join()
print(count)


async def main() -> None:
    async def tick() -> str:
        for _ in range(3):
            await asyncio.sleep(NAP)
        return "ticked"

    is_main = lambda: threading.current_thread() is threading.main_thread()  # noqa: E731
    print(
        await asyncio.gather(*(asyncio.to_thread(each) for each in (is_main, catch_stop)), tick())
    )


asyncio.run(main())
