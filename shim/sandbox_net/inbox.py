"""Bytes that wait for a reader."""


class Inbox(bytearray):
    """A queue of bytes, read as one stream."""

    __slots__ = ()

    def append(self, data: bytes) -> None:  # type: ignore[override]
        """Adds `data` at the end."""
        self += data

    def push_back(self, data: bytes) -> None:
        """Adds `data` before everything else."""
        self[:0] = data

    def take(self, view: memoryview) -> int:
        """Moves as many bytes into `view` as there are and as fit."""
        size, room = len(self), len(view)
        if size <= room:
            view[:size] = self
            self.clear()
            return size
        view[:] = self[:room]
        del self[:room]
        return room
