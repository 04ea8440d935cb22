"""Bytes that wait for a reader."""

from collections import deque


class Inbox:
    """A queue of byte strings, read as one stream."""

    __slots__ = ("_parts", "_size")

    def __init__(self) -> None:
        self._parts: deque[memoryview] = deque()
        self._size = 0

    def __len__(self) -> int:
        return self._size

    def append(self, data: bytes) -> None:
        """Adds `data` at the end."""
        if data:
            self._parts.append(memoryview(data))
            self._size += len(data)

    def push_back(self, data: bytes) -> None:
        """Adds `data` before everything else."""
        if data:
            self._parts.appendleft(memoryview(data))
            self._size += len(data)

    def take(self, view: memoryview) -> int:
        """Moves as many bytes into `view` as there are and as fit."""
        filled = 0
        while self._parts and filled < len(view):
            part = self._parts.popleft()
            count = min(len(part), len(view) - filled)
            view[filled : filled + count] = part[:count]
            filled += count
            if count < len(part):
                self._parts.appendleft(part[count:])
        self._size -= filled
        return filled
