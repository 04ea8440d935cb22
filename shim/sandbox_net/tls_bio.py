"""`_ssl._SSLSocket` over memory buffers: the session of an `ssl.SSLObject`."""

from typing import Any, overload

from .buffers import Buffer, bytes_view, writable_view
from .channel import ChannelError
from .errors import again, exception_for
from .memory_bio import MemoryBIO
from .ssl_errors import SSL_ERROR_EOF, SSLEOFError, ssl_error, want_read
from .tls_records import NotOurs, RecordReader, pack_request, unpack_outcome
from .tls_session import _SSLSocket
from .tls_settings import TlsSettings


class BufferSession(_SSLSocket):
    """A session that changes no byte; `tls_records` describes how it begins."""

    __module__ = "_ssl"

    def __init__(
        self,
        context: TlsSettings,
        incoming: MemoryBIO,
        outgoing: MemoryBIO,
        server_hostname: str | None,
        owner: Any,
    ) -> None:
        super().__init__(context, server_hostname, owner)
        self._incoming = incoming
        self._outgoing = outgoing
        self._answer: RecordReader | None = None
        self._failure: OSError | None = None

    def do_handshake(self) -> None:
        if self._info is not None:
            return
        if self._failure is not None:
            raise again(self._failure)
        if self._answer is None:
            self._outgoing.write(pack_request(self._request()))
            self._answer = RecordReader()
        try:
            while missing := self._answer.missing:
                self._answer.feed(self._more(missing))
        except NotOurs:
            raise ssl_error("SSL", "WRONG_VERSION_NUMBER", "wrong version number") from None
        try:
            self._settle(unpack_outcome(self._answer.take()))
        except ChannelError as error:
            self._failure = exception_for(error, self._server_hostname or "")
            raise again(self._failure) from None
        except OSError as error:
            self._failure = again(error)
            raise

    def _more(self, count: int) -> bytes:
        data = self._incoming.read(count)
        if data:
            return data
        if self._incoming.eof:
            text = "EOF occurred in violation of protocol"
            raise ssl_error(None, None, text, SSL_ERROR_EOF, SSLEOFError)
        raise want_read()

    # Data.

    @overload
    def read(self, size: int, /) -> bytes: ...

    @overload
    def read(self, size: int, buffer: Buffer, /) -> int: ...

    def read(self, size: int, buffer: Buffer | None = None, /) -> bytes | int:
        """Reads up to `size` bytes, into `buffer` if given; returns none at the end."""
        if buffer is None and size < 0:
            raise ValueError("size should not be negative")
        self.do_handshake()
        if buffer is None:
            return self._take(size)
        view = writable_view(buffer, "read")
        data = self._take(size if 0 < size < len(view) else len(view))
        view[: len(data)] = data
        return len(data)

    def _take(self, size: int) -> bytes:
        data = self._incoming.read(size)
        # The host makes sure that this end is real: a stream that was cut off ends in an error.
        if data or not size or self._incoming.eof:
            return data
        raise want_read()

    def write(self, data: Buffer, /) -> int:
        """Sends `data`; returns how much."""
        view = bytes_view(data)
        self.do_handshake()
        return self._outgoing.write(view)

    def pending(self) -> int:
        """Returns how many bytes can be read without waiting."""
        return self._incoming.pending if self._info is not None else 0

    def shutdown(self) -> None:
        """Ends the session. The host needs no message: it sees the socket's end."""
