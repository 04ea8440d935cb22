"""Endpoints behind file descriptors, and the table of descriptors.

The descriptors are virtual: numbers above every real one. Several sockets may share one (as
`ssl.SSLSocket` does with its socket's), and several descriptors may share one endpoint (`dup`).
"""

import errno
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Final

from .channel import Entry
from .errors import os_error
from .waiting import READABLE, WRITABLE, Deadline

Address = tuple[str, int] | tuple[str, int, int, int] | str

Hosts = Sequence[str]
"""What an address may mean, likeliest first."""

FIRST_FD: Final = 0x1000_0000


class Watched(ABC):
    """Something that can be polled."""

    is_endpoint = False

    def __init__(self) -> None:
        self.references = 0

    @abstractmethod
    def watch(self, wanted: int) -> tuple[int, list[Entry]]:
        """Returns which of `wanted` are ready, and the poll entries that will report the rest."""

    def notice(self, interests: int) -> int:
        """Notes that an entry's `interests` are ready; returns what the program can do now."""
        return (READABLE | WRITABLE) if interests else 0

    @abstractmethod
    def close(self) -> None:
        """Releases everything."""


class Endpoint(Watched):
    """One end of a byte stream."""

    is_endpoint = True

    def __init__(self, family: int, kind: int, proto: int) -> None:
        super().__init__()
        self.family = family
        self.kind = kind
        self.proto = proto
        self.options: dict[tuple[int, int], int | bytes] = {}

    @abstractmethod
    def connect(self, hosts: Hosts, port: int, peer: Address, deadline: Deadline) -> None:
        """Connects, or begins to if the deadline allows no waiting."""

    def bind(self, host: str) -> None:
        """Takes an own address at `host`, if it has none."""
        raise os_error(errno.EINVAL)

    @abstractmethod
    def peer_name(self) -> Address:
        """Returns the peer's address; raises `ENOTCONN` without one."""

    @abstractmethod
    def own_name(self) -> Address:
        """Returns the endpoint's own address."""

    @abstractmethod
    def send(self, data: memoryview, deadline: Deadline) -> int:
        """Sends some of `data`; returns how much."""

    @abstractmethod
    def receive(self, view: memoryview, deadline: Deadline) -> int:
        """Reads into `view`; returns how much, 0 at the end."""

    @abstractmethod
    def push_back(self, data: bytes) -> None:
        """Puts back bytes that were read."""

    def put_off(self, error: OSError) -> None:
        """Keeps an error for the next call, if a read that it ended has bytes to return."""

    def take_error(self) -> int:
        """Returns the pending error (`SO_ERROR`), and forgets it."""
        return 0

    @abstractmethod
    def shut_down(self, *, reading: bool, writing: bool) -> None:
        """Ends one direction or both."""


class DescriptorTable:
    """The endpoint of a descriptor."""

    def __init__(self) -> None:
        self._things: dict[int, Watched] = {}
        self._free: list[int] = []

    def __contains__(self, fd: int) -> bool:
        return fd in self._things

    def things(self) -> set[Watched]:
        """Returns all that descriptors stand for."""
        return set(self._things.values())

    def add(self, thing: Watched) -> int:
        """Makes a descriptor for an endpoint, or for something to wait for."""
        fd = self._free.pop() if self._free else FIRST_FD + len(self._things)
        self._things[fd] = thing
        thing.references += 1
        return fd

    def get(self, fd: int) -> Endpoint:
        """Returns the endpoint of `fd`; raises `EBADF` if it has none."""
        thing = self._things.get(fd)
        if thing is None:
            raise os_error(errno.EBADF)
        if not thing.is_endpoint:  # `isinstance` takes longer for an abstract class
            raise os_error(errno.ENOTSOCK)
        return thing  # type: ignore[return-value]

    def watched(self, fd: int) -> Watched:
        """Returns what `fd` stands for; raises `EBADF` if that is nothing."""
        thing = self._things.get(fd)
        if thing is None:
            raise os_error(errno.EBADF)
        return thing

    def find(self, fd: int) -> Watched | None:
        """Returns what `fd` stands for, if anything."""
        return self._things.get(fd)

    def close(self, fd: int) -> None:
        """Closes `fd`, and with its last descriptor also what it stands for."""
        thing = self.watched(fd)
        del self._things[fd]
        self._free.append(fd)
        thing.references -= 1
        if not thing.references:
            thing.close()


TABLE: Final = DescriptorTable()
