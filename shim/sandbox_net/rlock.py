"""`threading.RLock` for threads that run in line: it keeps them apart where one can wait.

A thread inside another one cannot wait for that one. Then the lock lets it in, because the outer
one cannot continue meanwhile.
"""

import threading
from typing import Any

from . import cooperation


class RLock:
    """A lock that its thread can take several times."""

    def __init__(self) -> None:
        self._owner: threading.Thread | None = None
        self._count = 0
        # How many holders were let in.
        self._guests = 0

    def acquire(self, blocking: bool = True, timeout: float = -1) -> bool:
        """Takes the lock; returns false if another thread holds it and waiting is not allowed."""
        if not blocking and timeout != -1:
            raise ValueError("can't specify a timeout for a non-blocking call")
        if timeout < 0 and timeout != -1:
            raise ValueError("timeout value must be a non-negative number")
        me = threading.current_thread()
        while not self._take(me):
            if not blocking:
                return False
            if self._is_further_out():
                self._count += 1
                self._guests += 1
                return True
            limit = None if timeout == -1 else timeout
            what = "waiting for a lock that nobody can release"
            if not cooperation.wait(self._is_free, limit, what, sleeps=True):
                return False
        return True

    def _take(self, me: threading.Thread) -> bool:
        if self._count and self._owner is not me:
            return False
        self._owner = me
        self._count += 1
        return True

    def _is_free(self) -> bool:
        return not self._count

    def _is_further_out(self) -> bool:
        """Whether its holder cannot continue before the current thread waits or ends."""
        inner = [getattr(work, "thread", None) for work in cooperation.running]
        return self._owner in inner or (bool(inner) and self._owner is threading.main_thread())

    def release(self) -> None:
        """Releases the lock."""
        if not self._is_owned():
            raise RuntimeError("cannot release un-acquired lock")
        self._guests = max(0, self._guests - 1)
        self._count -= 1
        if not self._count:
            self._owner = None

    __enter__ = acquire

    def __exit__(self, *_error: object) -> None:
        self.release()

    def locked(self) -> bool:
        """Whether anybody holds it."""
        return bool(self._count)

    def _is_owned(self) -> bool:
        owned = self._owner is threading.current_thread() or self._guests > 0
        return bool(self._count) and owned

    def _recursion_count(self) -> int:
        return self._count if self._owner is threading.current_thread() else 0

    def _release_save(self) -> Any:
        if not self._is_owned():
            raise RuntimeError("cannot release un-acquired lock")
        state = (self._owner, self._count, self._guests)
        self._owner, self._count, self._guests = None, 0, 0
        return state

    def _acquire_restore(self, state: Any) -> None:
        if self._count:
            self.acquire()
            return
        self._owner, self._count, self._guests = state

    def _at_fork_reinit(self) -> None:
        self.__init__()  # type: ignore[misc]

    def __repr__(self) -> str:
        state = "locked" if self._count else "unlocked"
        owner = self._owner.ident if self._owner is not None else 0
        return f"<{state} _thread.RLock object owner={owner} count={self._count} at {id(self):#x}>"
