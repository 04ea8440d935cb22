"""What is behind a socket's file descriptor, and the table of descriptors.

The descriptors are virtual: numbers above every real one. Several sockets may adopt one (as
`ssl.SSLSocket` adopts its socket's), and several descriptors may stand for one endpoint (`dup`).
"""

import errno
from abc import ABC, abstractmethod
from typing import Final

from .channel import Entry
from .errors import os_error
from .waiting import READABLE, WRITABLE, Deadline

Address = tuple[str, int] | tuple[str, int, int, int] | str

FIRST_FD: Final = 0x1000_0000


class Endpoint(ABC):
    """One end of a byte stream."""

    def __init__(self, family: int, kind: int, proto: int) -> None:
        self.family = family
        self.kind = kind
        self.proto = proto
        self.references = 0
        self.options: dict[tuple[int, int], int | bytes] = {}

    @abstractmethod
    def connect(self, host: str, port: int, peer: Address, deadline: Deadline) -> None:
        """Connects, or begins to if the deadline allows no waiting."""

    @abstractmethod
    def peer_name(self) -> Address:
        """The peer's address; `ENOTCONN` without one."""

    @abstractmethod
    def own_name(self) -> Address:
        """The endpoint's own address."""

    @abstractmethod
    def send(self, data: memoryview, deadline: Deadline) -> int:
        """Sends some of `data`; gives how much."""

    @abstractmethod
    def receive(self, view: memoryview, deadline: Deadline) -> int:
        """Reads into `view`; gives how much, 0 at the end."""

    @abstractmethod
    def push_back(self, data: bytes) -> None:
        """Takes back bytes that were read."""

    @abstractmethod
    def watch(self, wanted: int) -> tuple[int, list[Entry]]:
        """What of `wanted` is ready now, and the poll entries in which the rest will show."""

    def notice(self, interests: int) -> int:
        """Takes note that an entry's `interests` are ready; gives what can be done now."""
        return (READABLE | WRITABLE) if interests else 0

    def take_error(self) -> int:
        """The error that is pending (`SO_ERROR`), and forgets it."""
        return 0

    @abstractmethod
    def shut_down(self, *, reading: bool, writing: bool) -> None:
        """Ends one direction or both."""

    @abstractmethod
    def close(self) -> None:
        """Gives everything back."""


class DescriptorTable:
    """Which endpoint a descriptor stands for."""

    def __init__(self) -> None:
        self._endpoints: dict[int, Endpoint] = {}
        self._free: list[int] = []

    def __contains__(self, fd: int) -> bool:
        return fd in self._endpoints

    def add(self, endpoint: Endpoint) -> int:
        """A new descriptor for `endpoint`."""
        fd = self._free.pop() if self._free else FIRST_FD + len(self._endpoints)
        self._endpoints[fd] = endpoint
        endpoint.references += 1
        return fd

    def get(self, fd: int) -> Endpoint:
        """The endpoint of `fd`; `EBADF` where there is none."""
        endpoint = self._endpoints.get(fd)
        if endpoint is None:
            raise os_error(errno.EBADF)
        return endpoint

    def find(self, fd: int) -> Endpoint | None:
        """The endpoint of `fd`, if it has one."""
        return self._endpoints.get(fd)

    def close(self, fd: int) -> None:
        """Closes `fd`, and the endpoint with its last descriptor."""
        endpoint = self.get(fd)
        del self._endpoints[fd]
        self._free.append(fd)
        endpoint.references -= 1
        if not endpoint.references:
            endpoint.close()


TABLE: Final = DescriptorTable()
