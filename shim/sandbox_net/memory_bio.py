"""`_ssl.MemoryBIO`: a buffer of bytes with an end."""

from .buffers import Buffer, bytes_view
from .ssl_errors import SSLError


class MemoryBIO:
    """A memory buffer to exchange data with an SSL protocol instance."""

    __module__ = "_ssl"

    def __init__(self) -> None:
        self._data = bytearray()
        self._ended = False

    @property
    def pending(self) -> int:
        """The number of bytes pending in the memory BIO."""
        return len(self._data)

    @property
    def eof(self) -> bool:
        """Whether the memory BIO is at EOF."""
        return self._ended and not self._data

    def read(self, size: int | None = -1, /) -> bytes:
        """Read up to size bytes from the memory BIO.

        If size is not specified, read the entire buffer.
        If the return value is an empty bytes instance, this means either
        EOF or that no data is available. Use the "eof" property to
        distinguish between the two."""
        count = len(self._data) if size is None or size < 0 else size
        data = bytes(self._data[:count])
        del self._data[:count]
        return data

    def write(self, data: Buffer, /) -> int:
        """Writes the bytes b into the memory BIO.

        Returns the number of bytes written."""
        view = bytes_view(data)
        if self._ended:
            raise SSLError("cannot write() after write_eof()")
        self._data += view
        return len(view)

    def write_eof(self) -> None:
        """Write an EOF marker to the memory BIO.

        When all data has been read, the "eof" property will be True."""
        self._ended = True
