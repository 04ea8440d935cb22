"""The class `_socket.socket`: CPython's `socket.socket` is a subclass of it."""

import errno
import operator
import os
import struct
import warnings
from collections.abc import Iterable
from typing import Final, NoReturn

from . import constants, stock
from .buffers import Buffer, bytes_view, writable_view
from .connection import Connection
from .endpoint import FIRST_FD, TABLE, Address, Endpoint
from .errors import again, os_error, unsupported
from .socket_arguments import connect_target, parse_timeout
from .waiting import Deadline

_NONBLOCK: Final = constants.SOCKET.get("SOCK_NONBLOCK", 0)
_CLOEXEC: Final = constants.SOCKET.get("SOCK_CLOEXEC", 0)
_PEEK: Final = constants.SOCKET.get("MSG_PEEK", 0)
_WAITALL: Final = constants.SOCKET.get("MSG_WAITALL", 0)
_DONTWAIT: Final = constants.SOCKET.get("MSG_DONTWAIT", 0)
_FLAGS: Final = _NONBLOCK | _CLOEXEC
_MAX_ANCILLARY: Final = 0x7FFF_FFFF
MAX_RECEIVE: Final = 1 << 17  # what a move of a body, or a frame, brings at most
_buffers: Final[list[bytearray]] = []
_ANY: Final = ("0.0.0.0", "::")
_LOOPBACK: Final = {constants.AF_INET: "127.0.0.1", constants.AF_INET6: "::1"}
_SERVERS: Final = "servers are not carried: a sandbox makes connections and takes none"

_SHUTDOWN: Final = {
    constants.SOCKET["SHUT_RD"]: (True, False),
    constants.SOCKET["SHUT_WR"]: (False, True),
    constants.SOCKET["SHUT_RDWR"]: (True, True),
}


Ancillary = tuple[int, int, bytes]


def _check_ancillary(size: int) -> None:
    if not 0 <= size <= _MAX_ANCILLARY:
        raise ValueError("invalid ancillary data buffer length")


def _new_endpoint(family: int, kind: int, proto: int) -> Endpoint:
    if family not in (constants.AF_INET, constants.AF_INET6):
        text = "only sockets of the families AF_INET and AF_INET6 are carried"
        raise OSError(errno.EAFNOSUPPORT, f"sandbox-net: {text}")
    if kind in (constants.SOCK_DGRAM, constants.SOCK_RAW):
        raise unsupported("only TCP is carried, for HTTP and HTTPS: no datagrams, no raw packets")
    if kind != constants.SOCK_STREAM:
        raise os_error(errno.EINVAL)
    if proto not in (0, constants.IPPROTO_TCP):
        raise os_error(errno.EPROTONOSUPPORT)
    return Connection(family, kind, proto)


def _adopted(fd: int) -> Endpoint:
    if fd < FIRST_FD:
        os.fstat(fd)  # raises if it is not open
        raise os_error(errno.ENOTSOCK)
    return TABLE.get(fd)


class socket:
    """A socket: `socket(family, type, proto)`, or `socket(fileno=fd)` to adopt a descriptor."""

    # No `__weakref__`: `socket.socket` adds it.
    __module__ = "_socket"
    __slots__ = ("_family", "_fd", "_kind", "_proto", "_seconds")

    _fd: int
    _family: int
    _kind: int
    _proto: int
    _seconds: float | None

    def __new__(cls, *args: object, **kwargs: object) -> "socket":
        self = super().__new__(cls)
        self._fd = -1
        self._family = self._kind = self._proto = 0
        self._seconds = None
        return self

    def __init__(
        self, family: int = -1, type: int = -1, proto: int = -1, fileno: int | None = None
    ) -> None:
        if fileno is None:
            family = constants.AF_INET if family == -1 else family
            kind = constants.SOCK_STREAM if type == -1 else type
            proto = 0 if proto == -1 else proto
            endpoint = _new_endpoint(family, kind & ~_FLAGS, proto)
            fd = TABLE.add(endpoint)
        else:
            fd = operator.index(fileno)
            if fd < 0:
                raise ValueError("negative file descriptor")
            endpoint = _adopted(fd)
            kind = type
        self._fd = fd
        self._family = endpoint.family if family == -1 else family
        self._kind = endpoint.kind if kind == -1 else kind & ~_FLAGS
        self._proto = endpoint.proto if proto == -1 else proto
        self._seconds = stock.SOCKET.getdefaulttimeout()
        if kind != -1 and kind & _NONBLOCK:
            self._seconds = 0.0

    def __repr__(self) -> str:
        return (
            f"<socket object, fd={self._fd}, family={self._family}, "
            f"type={self._kind}, proto={self._proto}>"
        )

    def __del__(self) -> None:
        if self._fd == -1:
            return
        try:
            warnings.warn(f"unclosed {self!r}", ResourceWarning, stacklevel=1, source=self)
        finally:  # also where warnings are errors
            fd, self._fd = self._fd, -1
            if fd in TABLE:
                TABLE.close(fd)

    # What the socket is.

    @property
    def family(self) -> int:
        """The address family."""
        return self._family

    @property
    def type(self) -> int:
        """The kind of socket, without flags."""
        return self._kind

    @property
    def proto(self) -> int:
        """The protocol."""
        return self._proto

    @property
    def timeout(self) -> float | None:
        """The timeout in seconds; `None` waits without limit."""
        return self._seconds

    @property
    def _endpoint(self) -> Endpoint:
        return TABLE.get(self._fd)

    def _deadline(self, flags: int = 0) -> Deadline:
        return Deadline(0.0 if flags & _DONTWAIT else self._seconds)

    # Connecting.

    def connect(self, address: object, /) -> None:
        """Connects to `address`: for IPv4 `(host, port)`, for IPv6 also flow and scope."""
        hosts, port, peer = connect_target(self._family, address, "connect")
        self._endpoint.connect(hosts, port, peer, self._deadline())

    def connect_ex(self, address: object, /) -> int:
        """As `connect`, but returns the errno, or 0. A name that fails is still raised."""
        hosts, port, peer = connect_target(self._family, address, "connect_ex")
        endpoint = self._endpoint
        try:
            endpoint.connect(hosts, port, peer, self._deadline())
        except stock.gaierror:
            raise
        except OSError as error:
            return error.errno if error.errno is not None else errno.EAGAIN
        return 0

    def getpeername(self) -> Address:
        """Returns the peer's address, as it was passed to `connect`."""
        return self._endpoint.peer_name()

    def getsockname(self) -> Address:
        """Returns the socket's own address: the sandbox's loopback, once it is connected."""
        return self._endpoint.own_name()

    def _refuse_server(self) -> NoReturn:
        _ = self._endpoint
        raise OSError(errno.EOPNOTSUPP, f"sandbox-net: {_SERVERS}")

    def bind(self, address: object, /) -> None:
        """Accepts only what clients bind to: any address or loopback, with port 0."""
        hosts, port, own = connect_target(self._family, address, "bind")
        loopback = _LOOPBACK[self._family]
        host = loopback if hosts[0] == "localhost" else own[0]
        if port or host not in (*_ANY, loopback):
            self._refuse_server()
        self._endpoint.bind(host)

    def listen(self, backlog: int = 128, /) -> None:
        """Refused: there are no servers."""
        self._refuse_server()

    def _accept(self) -> tuple[int, Address]:
        """Refused: there are no servers."""
        self._refuse_server()

    # Data.

    def send(self, data: Buffer, flags: int = 0, /) -> int:
        """Sends some of `data`; returns how many bytes."""
        view = bytes_view(data)
        endpoint = self._endpoint
        return endpoint.send(view, self._deadline(flags))

    def sendall(self, data: Buffer, flags: int = 0, /) -> None:
        """Sends all of `data`, within one timeout."""
        view = bytes_view(data)
        endpoint = self._endpoint
        deadline = self._deadline(flags)
        while True:
            view = view[endpoint.send(view, deadline) :]
            if not view:
                return

    def sendto(self, data: Buffer, *args: object) -> int:
        """Sends `data`; the address is last, and a connected stream ignores it."""
        if len(args) not in (1, 2):
            raise TypeError(f"sendto() takes 2 or 3 arguments ({len(args) + 1} given)")
        connect_target(self._family, args[-1], "sendto")
        return self.send(data, *args[:-1])  # type: ignore[arg-type]

    def sendmsg(
        self,
        buffers: Iterable[Buffer],
        ancdata: Iterable[object] = (),
        flags: int = 0,
        address: object = None,
        /,
    ) -> int:
        """Sends the bytes of `buffers`, one after the other; returns how many."""
        if any(True for _ in ancdata):
            raise unsupported("ancillary data is not carried")
        return self.send(b"".join(bytes_view(buffer) for buffer in buffers), flags)

    def recv(self, bufsize: int, flags: int = 0, /) -> bytes:
        """Reads at most `bufsize` bytes; returns none at the end of the stream."""
        if bufsize < 0:
            raise ValueError("negative buffersize in recv")
        if flags & _WAITALL:
            view = memoryview(bytearray(bufsize))
            return bytes(view[: self._receive(view, flags)])
        # It may return less than requested, so it needs no memory for more. Another thread may
        # receive while this one waits.
        buffer = _buffers.pop() if _buffers else bytearray(MAX_RECEIVE)
        view = memoryview(buffer)[: min(bufsize, MAX_RECEIVE)]
        try:
            return bytes(view[: self._receive(view, flags)])
        finally:
            if not _buffers:
                _buffers.append(buffer)

    def recv_into(self, buffer: Buffer, nbytes: int = 0, flags: int = 0) -> int:
        """Reads into `buffer`, at most `nbytes` bytes unless that is 0; returns how many."""
        view = writable_view(buffer, "recv_into")
        if nbytes < 0:
            raise ValueError("negative buffersize in recv_into")
        if nbytes > len(view):
            raise ValueError("buffer too small for requested bytes")
        return self._receive(view[: nbytes or len(view)], flags)

    def recvfrom(self, bufsize: int, flags: int = 0, /) -> tuple[bytes, Address | None]:
        """As `recv`, with the address, which a stream does not have."""
        if bufsize < 0:
            raise ValueError("negative buffersize in recvfrom")
        return self.recv(bufsize, flags), None

    def recvfrom_into(
        self, buffer: Buffer, nbytes: int = 0, flags: int = 0
    ) -> tuple[int, Address | None]:
        """As `recv_into`, with the address, which a stream does not have."""
        return self.recv_into(buffer, nbytes, flags), None

    def recvmsg(
        self, bufsize: int, ancbufsize: int = 0, flags: int = 0, /
    ) -> tuple[bytes, list[Ancillary], int, Address | None]:
        """As `recv`, with the ancillary data, flags and address, which a stream does not have."""
        if bufsize < 0:
            raise ValueError("negative buffer size in recvmsg()")
        _check_ancillary(ancbufsize)
        return self.recv(bufsize, flags), [], 0, None

    def recvmsg_into(
        self, buffers: Iterable[Buffer], ancbufsize: int = 0, flags: int = 0, /
    ) -> tuple[int, list[Ancillary], int, Address | None]:
        """As `recvmsg`, into several buffers, one after the other."""
        if not isinstance(buffers, Iterable):
            raise TypeError("recvmsg_into() argument 1 must be an iterable")
        views = [writable_view(buffer, "recvmsg_into") for buffer in buffers]
        _check_ancillary(ancbufsize)
        data = memoryview(self.recv(sum(map(len, views)), flags))
        got = len(data)
        for view in views:
            part = data[: len(view)]
            view[: len(part)] = part
            data = data[len(part) :]
        return got, [], 0, None

    def _receive(self, view: memoryview, flags: int) -> int:
        endpoint = self._endpoint
        if not view:
            return 0
        deadline = self._deadline(flags)
        got = endpoint.receive(view, deadline)
        if flags & _PEEK:
            endpoint.push_back(bytes(view[:got]))
        elif flags & _WAITALL:
            got += self._receive_rest(endpoint, view[got:], deadline)
        return got

    @staticmethod
    def _receive_rest(endpoint: Endpoint, view: memoryview, deadline: Deadline) -> int:
        """Fills `view` as far as possible; what arrived is returned, whatever follows it."""
        got = 0
        try:
            while got < len(view) and (more := endpoint.receive(view[got:], deadline)):
                got += more
        except (BlockingIOError, TimeoutError):
            pass
        except OSError as error:
            endpoint.put_off(again(error))
        return got

    # Settings.

    def settimeout(self, value: float | None, /) -> None:
        """Sets the timeout of every operation: `None` waits without limit, 0 does not wait."""
        self._seconds = parse_timeout(value)
        _ = self._endpoint

    def gettimeout(self) -> float | None:
        """Returns the timeout in seconds."""
        return self._seconds

    def setblocking(self, flag: bool, /) -> None:
        """Waits without limit (true) or not at all (false)."""
        self._seconds = None if flag else 0.0
        _ = self._endpoint

    def getblocking(self) -> bool:
        """Whether operations wait."""
        return self._seconds != 0.0

    def setsockopt(self, level: int, option: int, *value: int | Buffer | None) -> None:
        """Keeps an option: a number, bytes, or `None` and a length.

        The host's own connection does not change."""
        if len(value) not in (1, 2):
            raise TypeError(f"setsockopt() takes at least 3 arguments ({len(value) + 2} given)")
        endpoint = self._endpoint
        first = value[0]
        if first is None:
            if len(value) == 1:
                raise TypeError("a bytes-like object is required, not 'NoneType'")
            kept: int | bytes = bytes(operator.index(value[1]))  # type: ignore[arg-type]
        elif isinstance(first, int):
            kept = int(first)
        else:
            kept = bytes(bytes_view(first))
        endpoint.options[level, option] = kept

    def getsockopt(self, level: int, option: int, buflen: int = 0, /) -> int | bytes:
        """Returns the value of an option: a number, or bytes if `buflen` is not 0."""
        if not 0 <= buflen <= 1024:
            raise OSError("getsockopt buflen out of range")
        value = self._option(self._endpoint, level, option)
        if buflen:
            data = struct.pack("<i", value) if isinstance(value, int) else value
            return data[:buflen]
        if isinstance(value, bytes):
            return int.from_bytes(value[:4], "little", signed=True)
        return value

    def _option(self, endpoint: Endpoint, level: int, option: int) -> int | bytes:
        if level == constants.SOL_SOCKET:
            if option == constants.SO_ERROR:
                return endpoint.take_error()
            if option == constants.SO_TYPE:
                return endpoint.kind
            if option == constants.SOCKET["SO_PROTOCOL"]:
                return endpoint.proto or constants.IPPROTO_TCP
            if option == constants.SOCKET["SO_DOMAIN"]:
                return endpoint.family
        return endpoint.options.get((level, option), 0)

    # The end.

    def shutdown(self, how: int, /) -> None:
        """Ends reading, writing or both."""
        endpoint = self._endpoint
        if how not in _SHUTDOWN:
            raise os_error(errno.EINVAL)
        reading, writing = _SHUTDOWN[how]
        endpoint.shut_down(reading=reading, writing=writing)

    def close(self) -> None:
        """Closes the descriptor. Closing again does nothing."""
        fd, self._fd = self._fd, -1
        if fd != -1:
            TABLE.close(fd)

    def detach(self) -> int:
        """Returns the descriptor without closing it; the socket no longer has it."""
        fd, self._fd = self._fd, -1
        return fd

    def fileno(self) -> int:
        """Returns the descriptor; -1 after the end."""
        return self._fd
