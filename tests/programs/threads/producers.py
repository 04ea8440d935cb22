"""Queues between threads."""

import queue
import threading

# The consumers start first, and are daemons.
tasks: queue.Queue[int] = queue.Queue()
found = []


def work() -> None:
    while True:
        found.append(tasks.get() * 2)
        tasks.task_done()


for _ in range(2):
    threading.Thread(target=work, daemon=True).start()
for number in range(5):
    tasks.put(number)
tasks.join()
print(sorted(found))

# They end at a sentinel.
lines: queue.Queue[str | None] = queue.Queue()
written = []


def write() -> None:
    while (line := lines.get()) is not None:
        written.append(line)
    written.append("end")


writer = threading.Thread(target=write)
writer.start()
for line in ("one", "two", None):
    lines.put(line)
writer.join()
print(written)

# The producer's queue is small.
narrow: queue.Queue[int] = queue.Queue(maxsize=2)
sums = []
consumer = threading.Thread(target=lambda: sums.append(sum(narrow.get() for _ in range(6))))
consumer.start()
for number in range(6):
    narrow.put(number)
consumer.join()
print(sums)

# The main thread consumes.
simple: queue.SimpleQueue[str] = queue.SimpleQueue()
threading.Thread(target=simple.put, args=("from a thread",)).start()
print(simple.get())
for kind in (queue.Queue, queue.LifoQueue, queue.PriorityQueue):
    waiting = kind()
    threading.Timer(0.01, waiting.put, (7,)).start()
    print(waiting.get(timeout=5))
    try:
        waiting.get(timeout=0.01)
    except queue.Empty:
        print("empty")
