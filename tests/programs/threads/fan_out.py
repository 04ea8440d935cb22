"""Threads that are started and joined."""

import contextvars
import threading

found = []
threads = [threading.Thread(target=found.append, args=(n,)) for n in range(3)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
print(sorted(found), [thread.is_alive() for thread in threads])


class Counted(threading.Thread):
    def run(self) -> None:
        self.name_inside = threading.current_thread().name
        self.is_itself = threading.current_thread() is self


counted = Counted(name="counted")
print(counted.is_alive(), counted.ident)
counted.start()
counted.join()
print(counted.name_inside, counted.is_itself, threading.current_thread().name)

variable = contextvars.ContextVar("variable", default="unset")
variable.set("main")
seen = []
thread = threading.Thread(target=lambda: (seen.append(variable.get("none")), variable.set("other")))
thread.start()
thread.join()
print(seen, variable.get())

for attempt in (
    counted.start,
    threading.Thread(target=print).join,
    threading.current_thread().join,
):
    try:
        attempt()
    except RuntimeError as error:
        print(error)

caught = []
threading.excepthook = lambda args: caught.append((args.exc_type.__name__, args.thread.name))
failing = threading.Thread(target=lambda: 1 / 0, name="failing")
failing.start()
failing.join()
quiet = threading.Thread(target=lambda: exit(3), name="quiet")
quiet.start()
quiet.join()
print(caught)

barrier = threading.Barrier(3)
order = []
threads = [threading.Thread(target=lambda: (barrier.wait(), order.append(1))) for _ in range(3)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
print(order, threading.active_count())
threading.Thread(target=print, args=("at the end",)).start()
