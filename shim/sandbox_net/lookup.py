"""Looks up the addresses of a name.

The host discloses the public addresses at which the policy allows the name. If it discloses none
(other addresses, a denied name, or one that somebody has to grant first), the name gets an address
that stands for it (`addresses`). A name that does not exist fails as in CPython.
"""

from . import channel as ch
from . import constants, control
from .channel import ChannelError, Entry
from .endpoint import Watched
from .errors import DENIED, TIMEOUT, again, gai_error, lookup_exception_for
from .inet import inet_ntop
from .waiting import READABLE, Deadline, wait

Found = tuple[int, str]
"""A family, and an address of it."""


class Lookup(Watched):
    """One lookup, from its start."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.found: tuple[Found, ...] = ()
        """The addresses from the host, once the lookup is over."""
        self._name = name
        self._handle = 0
        self._error: OSError | None = None
        self._over = False
        try:
            payload = name.encode("utf-8")
            self._handle = control.channel().call(ch.RESOLVE, payload=payload).value
        except ChannelError as error:
            self._end(error)

    def __del__(self) -> None:
        self.close()

    def is_over(self) -> bool:
        """Whether the result has arrived.

        Raises:
            OSError: the name does not exist, or the lookup failed.
        """
        if not self._over:
            self._look()
        if self._error is not None:
            raise again(self._error)
        return self._over

    def wait(self) -> tuple[Found, ...]:
        """Waits for the result, and returns its addresses; raises as `is_over` does."""
        while not self.is_over():
            wait(control.channel(), [(self._handle, ch.PHASE)], Deadline(None))
        return self.found

    def _look(self) -> None:
        try:
            reply = control.channel().call(ch.STATUS, self._handle)
        except ChannelError as error:
            self._end(error)
        else:
            if not reply.pending:
                self.found = _addresses(reply.payload)
                self._end(None)

    def _end(self, error: ChannelError | None) -> None:
        self._over = True
        self.close()
        # `connect` reports a denial, because there the policy knows the port and can say more.
        if error is not None and error.code != DENIED:
            is_late = error.code == TIMEOUT
            self._error = _too_late() if is_late else lookup_exception_for(error, self._name)

    def end_with(self, error: OSError) -> None:
        """Ends it without the host, which does not know it."""
        self._handle, self._over, self._error = 0, True, error

    def watch(self, wanted: int) -> tuple[int, list[Entry]]:
        if self._over:
            return wanted, []
        return 0, [(self._handle, ch.PHASE)]

    def notice(self, interests: int) -> int:
        return READABLE if interests else 0

    def close(self) -> None:
        handle, self._handle = self._handle, 0
        if handle:
            control.channel().close(handle)


def _addresses(payload: bytes) -> tuple[Found, ...]:
    """Returns the addresses in a `status` reply, each after its length."""
    found: list[Found] = []
    at = 0
    while at < len(payload):
        end = at + 1 + payload[at]
        family = constants.AF_INET if payload[at] == 4 else constants.AF_INET6
        found.append((family, inet_ntop(family, payload[at + 1 : end])))
        at = end
    return tuple(found)


def _too_late() -> OSError:
    return gai_error("EAI_AGAIN", "Temporary failure in name resolution")
