"""Calls that wait for a server: as many at once as a pool has threads, each with its result."""

import asyncio
import concurrent.futures
import sys
import threading
import urllib.request

ORIGIN = sys.argv[1]


class Counted:
    """Counts how many of its calls are under way at once."""

    def __init__(self) -> None:
        self.now = self.most = 0

    def get(self, _: int) -> int:
        self.now += 1
        self.most = max(self.most, self.now)
        try:
            with urllib.request.urlopen(ORIGIN + "/get") as response:
                return int(response.status)
        finally:
            self.now -= 1


def with_pool(workers: int, calls: int) -> None:
    counted = Counted()
    with concurrent.futures.ThreadPoolExecutor(workers) as pool:
        answers = list(pool.map(counted.get, range(calls)))
    print("pool", workers, calls, answers.count(200), counted.most <= workers)


def in_order() -> None:
    told: list[str] = []

    def get(number: int) -> None:
        told.append(f"begin {number}")
        urllib.request.urlopen(ORIGIN + "/get").close()
        told.append(f"end {number}")

    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        list(pool.map(get, range(4)))
    print(*told)


async def with_asyncio(calls: int) -> None:
    counted = Counted()
    each = [asyncio.to_thread(counted.get, number) for number in range(calls)]
    print("to_thread", calls, (await asyncio.gather(*each)).count(200))


def with_threads(count: int) -> None:
    counted = Counted()
    answers: list[int] = []
    threads = [
        threading.Thread(target=lambda: answers.append(counted.get(0))) for _ in range(count)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    print("threads", count, answers.count(200))


with_pool(1, 20)
with_pool(4, 40)
with_pool(40, 80)
in_order()
asyncio.run(with_asyncio(40))
with_threads(64)
