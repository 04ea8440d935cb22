"""The question whether a name leads anywhere.

Names have addresses of their own here (`addresses`), so nothing of an answer is needed but that
there is one: a name that does not exist fails where CPython lets it fail.
"""

from . import channel as ch
from . import control
from .channel import ChannelError, Entry
from .endpoint import Watched
from .errors import DENIED, TIMEOUT, exception_for, gai_error
from .waiting import READABLE, Deadline, wait


class Lookup(Watched):
    """One question, on its way from the start."""

    def __init__(self, name: str) -> None:
        super().__init__()
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
        """Whether the answer is there.

        Raises:
            OSError: the name leads nowhere, or could not be asked about.
        """
        if not self._over:
            self._look()
        if self._error is not None:
            raise self._error
        return self._over

    def wait(self) -> None:
        """Waits for the answer; raises as `is_over` does."""
        while not self.is_over():
            wait(control.channel(), [(self._handle, ch.PHASE)], Deadline(None))

    def _look(self) -> None:
        try:
            pending = control.channel().call(ch.STATUS, self._handle).pending
        except ChannelError as error:
            self._end(error)
        else:
            if not pending:
                self._end(None)

    def _end(self, error: ChannelError | None) -> None:
        self._over = True
        self.close()
        # What is denied is denied at `connect`, where the policy knows the port and can say more.
        if error is not None and error.code != DENIED:
            is_late = error.code == TIMEOUT
            self._error = _too_late() if is_late else exception_for(error, self._name)

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


def _too_late() -> OSError:
    return gai_error("EAI_AGAIN", "Temporary failure in name resolution")
