"""`_ssl.MemoryBIO`: a buffer of bytes that can be ended."""

from .buffers import Buffer, bytes_view
from .ssl_errors import SSLError


class MemoryBIO:
    """Bytes between a TLS session and the code that moves them."""

    __module__ = "_ssl"

    def __init__(self) -> None:
        self._data = bytearray()
        self._ended = False

    @property
    def pending(self) -> int:
        """Returns how many bytes it holds."""
        return len(self._data)

    @property
    def eof(self) -> bool:
        """Whether the end was written and everything before it was read."""
        return self._ended and not self._data

    def read(self, size: int | None = -1, /) -> bytes:
        """Takes at most `size` bytes, or all of them."""
        count = len(self._data) if size is None or size < 0 else size
        data = bytes(self._data[:count])
        del self._data[:count]
        return data

    def write(self, data: Buffer, /) -> int:
        """Adds bytes; returns how many."""
        view = bytes_view(data)
        if self._ended:
            raise SSLError("cannot write() after write_eof()")
        self._data += view
        return len(view)

    def write_eof(self) -> None:
        """Marks the end. Nothing can be written after it."""
        self._ended = True
