"""A thread continues while another one waits for sockets for a short time, again and again."""

import select
import selectors
import socket
import threading
import time
from collections.abc import Callable

ENOUGH = 20
ticks: list[int] = []
here, there = socket.socketpair()


def tick() -> None:
    while True:
        ticks.append(1)
        time.sleep(0.001)


def has_ticked() -> bool:
    return len(ticks) > ENOUGH


def receive(is_met: Callable[[], bool]) -> None:
    here.settimeout(0.001)
    while not is_met():
        try:
            here.recv(1)
        except TimeoutError:
            continue


def select_for(is_met: Callable[[], bool]) -> None:
    while not is_met():
        select.select([here], [], [], 0.001)


def select_nothing(is_met: Callable[[], bool]) -> None:
    while not is_met():
        select.select([], [], [], 0.001)


def poll(is_met: Callable[[], bool]) -> None:
    poller = select.poll()
    poller.register(here, select.POLLIN)
    while not is_met():
        poller.poll(1)


def use_a_selector(is_met: Callable[[], bool]) -> None:
    with selectors.DefaultSelector() as selector:
        selector.register(here, selectors.EVENT_READ)
        while not is_met():
            selector.select(0.001)


threading.Thread(target=tick, daemon=True).start()
for wait in (receive, select_for, select_nothing, poll, use_a_selector):
    ticks.clear()
    begun = time.monotonic()
    wait(has_ticked)
    print(wait.__name__, time.monotonic() - begun < 3)


def answer() -> None:
    time.sleep(0.01)
    there.sendall(b"an answer")
    time.sleep(0.01)
    there.close()


here.settimeout(None)
threading.Thread(target=answer).start()
print(here.recv(100))
print(select.select([here], [], [])[0] == [here], here.recv(100))
