"""Threads beside an event loop, and an event loop in a thread."""

import asyncio
import contextvars
import os
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor

variable = contextvars.ContextVar("variable")


async def main() -> None:
    loop = asyncio.get_running_loop()
    variable.set("of the task")
    print(
        await asyncio.gather(
            asyncio.to_thread(pow, 2, 3),
            loop.run_in_executor(None, pow, 2, 4),
            loop.run_in_executor(ThreadPoolExecutor(), pow, 2, 5),
            asyncio.to_thread(variable.get),
            asyncio.to_thread(lambda: asyncio.run(asyncio.sleep(0.01, "a loop of its own"))),
        )
    )
    try:
        await asyncio.to_thread(divmod, 1, 0)
    except ZeroDivisionError as error:
        print(type(error).__name__)
    try:
        await asyncio.wait_for(asyncio.to_thread(time.sleep, 0.3), 0.05)
    except TimeoutError:
        print("too late")

    def back() -> object:
        future = asyncio.run_coroutine_threadsafe(asyncio.sleep(0.02, "back"), loop)
        return future.result(5)

    print(await asyncio.to_thread(back))
    others = []

    async def beside() -> None:
        for number in range(3):
            others.append(number)
            await asyncio.sleep(0)

    await asyncio.gather(beside(), asyncio.to_thread(time.sleep, 0.05))
    print(others)

    def no_loop() -> None:
        asyncio.get_running_loop()

    try:
        await asyncio.to_thread(no_loop)
    except RuntimeError as error:
        print(error)

    signals: list[int] = []
    loop.add_signal_handler(signal.SIGTERM, signals.append, 1)
    os.kill(os.getpid(), signal.SIGTERM)
    await asyncio.sleep(0.02)
    print(signals, loop.remove_signal_handler(signal.SIGTERM))
    print(loop.remove_signal_handler(signal.SIGTERM))


asyncio.run(main())

background = asyncio.new_event_loop()
thread = threading.Thread(target=background.run_forever, daemon=True)
thread.start()


async def add(a: int, b: int) -> int:
    await asyncio.sleep(0.01)
    return a + b


print(asyncio.run_coroutine_threadsafe(add(1, 2), background).result())
print(asyncio.run_coroutine_threadsafe(add(3, 4), background).result(5))
background.call_soon_threadsafe(background.stop)
thread.join()
print(thread.is_alive(), background.is_running())
