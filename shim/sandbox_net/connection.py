"""A TCP connection as a program sees it: a stream of bytes, which the host sends as HTTP."""

import errno

from . import channel as ch
from .channel import Entry
from .connecting import Phase
from .errors import os_error
from .sending import SendingEndpoint
from .waiting import HUNG_UP, READABLE, WRITABLE, Deadline, patience


class Connection(SendingEndpoint):
    """One connection to a host and port, and its requests, one after the other."""

    def __init__(self, family: int, kind: int, proto: int) -> None:
        super().__init__(family, kind, proto)
        self._reading = True

    # Receiving.

    def receive(self, view: memoryview, deadline: Deadline) -> int:
        wait_ns = patience(deadline)
        while (got := self._receive_now(view, wait_ns)) is None:
            self._wait(READABLE, deadline)
            wait_ns = 0
        return got

    def _receive_now(self, view: memoryview, wait_ns: int) -> int | None:
        if self._notes:
            return self._notes.take(view)
        if self._error is not None:
            self._raise_error()
        if not self._reading:
            return 0
        if self.phase is Phase.NEW:
            self._require_begun(errno.ENOTCONN)
        exchange = self._exchange
        if exchange is not None and (got := exchange.receive(view, wait_ns)) is not None:
            return got
        self._raise_broken()
        return 0 if self._over else None

    def push_back(self, data: bytes) -> None:
        # Bytes already taken from the notes come before the rest of them.
        reader = self._notes if self._notes or self._exchange is None else self._exchange
        reader.push_back(data)

    def put_off(self, error: OSError) -> None:
        self._error = error

    @property
    def unread(self) -> int:
        """Returns how many bytes can be read without asking the host."""
        return len(self._notes) + (self._exchange.unread if self._exchange is not None else 0)

    # Readiness.

    def watch(self, wanted: int) -> tuple[int, list[Entry]]:
        if self._error is not None or self.phase is Phase.NEW:
            return wanted | HUNG_UP, []
        if self.phase is not Phase.OPEN:
            return 0, [(self._handle, ch.PHASE)]
        if self._over or not self._reading or self._notes:
            return wanted, []
        if self._exchange is None:
            return wanted & WRITABLE, []
        ready, interests = self._exchange.watch(wanted)
        return ready, [self._exchange.entry(interests)] if interests else []

    def notice(self, interests: int) -> int:
        if not interests:
            return 0
        if self.phase in (Phase.CONNECTING, Phase.HANDSHAKING):
            if not self._phase_over():
                return 0
            if self._error is not None:
                return READABLE | WRITABLE | HUNG_UP
            return READABLE | WRITABLE if self._notes else WRITABLE
        if self._exchange is None:
            return 0
        return self._exchange.notice(interests)

    # The end.

    def shut_down(self, *, reading: bool, writing: bool) -> None:
        if self.phase in (Phase.NEW, Phase.CONNECTING):
            raise os_error(errno.ENOTCONN)
        self._reading = self._reading and not reading
        self._writing = self._writing and not writing
        if self.phase is Phase.OPEN and not (self._reading or self._writing):
            # The server sees the end now, even if the descriptor stays open.
            self._leave()
            self._over = True
