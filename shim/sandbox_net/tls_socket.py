"""`_ssl._SSLSocket` over a socket."""

import weakref
from typing import Any, overload

from .buffers import Buffer, bytes_view, writable_view
from .channel import ChannelError
from .connection import Connection
from .errors import again, exception_for
from .sockets import MAX_RECEIVE, socket
from .ssl_errors import refused_setting, ssl_error, want_read, want_write
from .tls_session import _SSLSocket
from .tls_settings import TlsSettings
from .waiting import Deadline


class SocketSession(_SSLSocket):
    """The session of an `ssl.SSLSocket`."""

    __module__ = "_ssl"

    def __init__(
        self, context: TlsSettings, sock: socket, server_hostname: str | None, owner: Any
    ) -> None:
        super().__init__(context, server_hostname, owner)
        self._sock = weakref.ref(sock)
        self._begun = False
        self._failure: OSError | None = None

    def _connection(self) -> tuple[Connection, Deadline]:
        sock = self._sock()
        if sock is None or sock.fileno() == -1:
            raise ssl_error(None, None, "Underlying socket connection was closed.", number=0)
        endpoint = sock._endpoint
        if not isinstance(endpoint, Connection):
            raise refused_setting("TLS is carried on TCP connections only")
        return endpoint, Deadline(sock.gettimeout())

    def do_handshake(self) -> None:
        if self._info is not None:
            return
        if self._failure is not None:
            raise again(self._failure)
        connection, deadline = self._connection()
        try:
            self._begin(connection)
            connection.finish_phase(deadline)
        except BlockingIOError:
            raise want_read() from None
        except TimeoutError as error:
            if error.errno is not None:
                raise
            raise TimeoutError("_ssl.c:1000: The handshake operation timed out") from None
        except OSError as error:
            if self._begun:  # otherwise it can begin later
                self._failure = again(error)
            raise
        self._settle(connection.tls_info())

    def _begin(self, connection: Connection) -> None:
        if self._begun:
            return
        request = self._request()
        try:
            connection.start_tls(request.settings, request.payload())
        except ChannelError as error:
            raise exception_for(error, connection.host) from None
        self._begun = True

    # Data.

    @overload
    def read(self, size: int, /) -> bytes: ...

    @overload
    def read(self, size: int, buffer: Buffer, /) -> int: ...

    def read(self, size: int, buffer: Buffer | None = None, /) -> bytes | int:
        """Reads up to `size` bytes, into `buffer` if there is one."""
        if buffer is None:
            if size < 0:
                raise ValueError("size should not be negative")
            view = memoryview(bytearray(min(size, MAX_RECEIVE)))
        else:
            view = writable_view(buffer, "read")
            if 0 < size < len(view):
                view = view[:size]
        got = self._receive(view) if view else 0
        return bytes(view[:got]) if buffer is None else got

    def _receive(self, view: memoryview) -> int:
        connection, deadline = self._connection()
        if self._info is None:
            self.do_handshake()
        try:
            return connection.receive(view, deadline)
        except BlockingIOError:
            raise want_read() from None
        except TimeoutError as error:
            if error.errno is not None:
                raise
            raise TimeoutError("The read operation timed out") from None

    def write(self, data: Buffer, /) -> int:
        """Sends some of `data`; returns how much."""
        view = bytes_view(data)
        connection, deadline = self._connection()
        if self._info is None:
            self.do_handshake()
        if not view:
            return 0
        try:
            return connection.send(view, deadline)
        except BlockingIOError:
            raise want_write() from None
        except TimeoutError as error:
            if error.errno is not None:
                raise
            raise TimeoutError("The write operation timed out") from None

    def pending(self) -> int:
        """Returns how many bytes can be read without waiting."""
        connection, _ = self._connection()
        return connection.unread

    def shutdown(self) -> socket:
        """Ends the session; returns the socket, on which nothing more can be sent."""
        connection, _ = self._connection()
        connection.end_tls()
        sock = self._sock()
        assert sock is not None
        return sock
