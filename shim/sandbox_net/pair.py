"""`socketpair`: two connected endpoints in memory. Event loops use one to wake themselves."""

import errno
from collections.abc import Callable

from . import constants
from .channel import Entry
from .endpoint import Address, Endpoint, Hosts
from .errors import os_error, timed_out, would_block
from .inbox import Inbox
from .waiting import HUNG_UP, READABLE, WRITABLE, Deadline

_CAPACITY = 212_992  # Linux's default for a socket's buffer


class PairEnd(Endpoint):
    """One end of a pair."""

    def __init__(self, family: int, kind: int, proto: int) -> None:
        super().__init__(family, kind, proto)
        self._inbox = Inbox()
        self._other: PairEnd | None = None
        self._reading = True
        self._writing = True

    @classmethod
    def pair(cls, family: int, kind: int, proto: int) -> tuple["PairEnd", "PairEnd"]:
        """Makes the two ends of one pair."""
        one, two = cls(family, kind, proto), cls(family, kind, proto)
        one._other, two._other = two, one
        return one, two

    def connect(self, hosts: Hosts, port: int, peer: Address, deadline: Deadline) -> None:
        raise os_error(errno.EISCONN)

    def _name(self) -> Address:
        if self.family == constants.AF_INET6:
            return ("::1", 0, 0, 0)
        return ("127.0.0.1", 0) if self.family == constants.AF_INET else ""

    def peer_name(self) -> Address:
        if self._other is None:
            raise os_error(errno.ENOTCONN)
        return self._name()

    def own_name(self) -> Address:
        return self._name()

    def _room(self) -> int:
        return _CAPACITY - len(self._other._inbox) if self._other is not None else 0

    def send(self, data: memoryview, deadline: Deadline) -> int:
        if self._other is None or not self._writing or not self._other._reading:
            raise os_error(errno.EPIPE)
        room = self._room()
        if not room:
            self._wait(self._room, deadline)
            room = self._room()
        if self._other is None:
            raise os_error(errno.EPIPE)
        self._other._inbox.append(bytes(data[:room]))
        return min(len(data), room)

    def receive(self, view: memoryview, deadline: Deadline) -> int:
        if not self._inbox and not self._at_end():
            self._wait(lambda: self._inbox or self._at_end(), deadline)
        return self._inbox.take(view)

    def _at_end(self) -> bool:
        return self._other is None or not self._other._writing or not self._reading

    def _wait(self, is_met: Callable[[], object], deadline: Deadline) -> None:
        """Waits until a thread uses the other end. If there is none, nobody ever does."""
        if not deadline.blocking:
            raise would_block()
        while not is_met():
            if not deadline.sleep():
                raise os_error(errno.EDEADLK, "nobody is left to use the other end of the pair")
            if not deadline.remaining_ns() and not is_met():
                raise timed_out()

    def push_back(self, data: bytes) -> None:
        self._inbox.push_back(data)

    def watch(self, wanted: int) -> tuple[int, list[Entry]]:
        ready = 0
        if self._inbox or self._at_end():
            ready |= READABLE
        if self._other is None or self._room():
            ready |= WRITABLE
        return (ready & wanted) | (HUNG_UP if self._other is None else 0), []

    def shut_down(self, *, reading: bool, writing: bool) -> None:
        self._reading = self._reading and not reading
        self._writing = self._writing and not writing

    def close(self) -> None:
        if self._other is not None:
            self._other._other = None
            self._other = None
