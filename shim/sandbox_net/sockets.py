"""The class `_socket.socket`: CPython's `socket.socket` is a subclass of it."""

import errno
import math
import operator
import struct
import warnings
from collections.abc import Iterable
from typing import Final, NoReturn

from . import constants, stock
from .buffers import Buffer, bytes_view, writable_view
from .connection import Connection
from .endpoint import TABLE, Address, Endpoint, UnusableEndpoint
from .errors import os_error, unsupported
from .names import target_of
from .waiting import Deadline

_NONBLOCK: Final = constants.SOCKET.get("SOCK_NONBLOCK", 0)
_CLOEXEC: Final = constants.SOCKET.get("SOCK_CLOEXEC", 0)
_PEEK: Final = constants.SOCKET.get("MSG_PEEK", 0)
_WAITALL: Final = constants.SOCKET.get("MSG_WAITALL", 0)
_DONTWAIT: Final = constants.SOCKET.get("MSG_DONTWAIT", 0)
_FLAGS: Final = _NONBLOCK | _CLOEXEC
_MAX_TIMEOUT: Final = (1 << 63) / 1e9
_SERVERS: Final = "servers are not carried: a sandbox makes connections and takes none"

_SHUTDOWN: Final = {
    constants.SOCKET["SHUT_RD"]: (True, False),
    constants.SOCKET["SHUT_WR"]: (False, True),
    constants.SOCKET["SHUT_RDWR"]: (True, True),
}


def parse_timeout(value: float | None) -> float | None:
    """A timeout as `settimeout` takes it."""
    if value is None:
        return None
    seconds = value if isinstance(value, float) else float(operator.index(value))
    if math.isnan(seconds):
        raise ValueError("Invalid value NaN (not a number)")
    if seconds >= _MAX_TIMEOUT:
        raise OverflowError("timestamp too large to convert to C PyTime_t")
    if seconds < 0:
        raise ValueError("Timeout value out of range")
    return seconds


def _new_endpoint(family: int, kind: int, proto: int) -> Endpoint:
    if family not in (constants.AF_INET, constants.AF_INET6):
        raise OSError(
            errno.EAFNOSUPPORT,
            "sandbox-net: only AF_INET and AF_INET6 sockets exist in a sandbox",
        )
    if kind == constants.SOCK_STREAM:
        if proto not in (0, constants.IPPROTO_TCP):
            raise os_error(errno.EPROTONOSUPPORT)
        return Connection(family, kind, proto)
    if kind == constants.SOCK_DGRAM and proto in (0, constants.IPPROTO_UDP):
        return UnusableEndpoint(family, kind, proto)
    if kind == constants.SOCK_RAW:
        raise OSError(errno.EPERM, "sandbox-net: raw sockets do not exist in a sandbox")
    raise os_error(errno.EPROTONOSUPPORT if kind == constants.SOCK_DGRAM else errno.EINVAL)


class socket:
    """socket(family=AF_INET, type=SOCK_STREAM, proto=0) -> socket object
    socket(family=-1, type=-1, proto=-1, fileno=None) -> socket object

    Open a socket of the given type.  The family argument specifies the
    address family; it defaults to AF_INET.  The type argument specifies
    whether this is a stream (SOCK_STREAM, this is the default)
    or datagram (SOCK_DGRAM) socket.  The protocol argument defaults to 0,
    specifying the default protocol.  Keyword arguments are accepted."""

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
            endpoint = TABLE.get(fd)
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
        warnings.warn(f"unclosed {self!r}", ResourceWarning, stacklevel=1, source=self)
        fd, self._fd = self._fd, -1
        if fd in TABLE:
            TABLE.close(fd)

    # What the socket is.

    @property
    def family(self) -> int:
        """the socket family"""
        return self._family

    @property
    def type(self) -> int:
        """the socket type"""
        return self._kind

    @property
    def proto(self) -> int:
        """the socket protocol"""
        return self._proto

    @property
    def timeout(self) -> float | None:
        """the socket timeout"""
        return self._seconds

    @property
    def _endpoint(self) -> Endpoint:
        return TABLE.get(self._fd)

    def _deadline(self, flags: int = 0) -> Deadline:
        return Deadline(0.0 if flags & _DONTWAIT else self._seconds)

    # Connecting.

    def _target(self, address: object, call: str) -> tuple[str, int, Address]:
        """The host to connect to, its port, and the address in the form of this family."""
        v6 = self._family == constants.AF_INET6
        if not isinstance(address, tuple):
            family = "AF_INET6" if v6 else "AF_INET"
            kind = type(address).__name__
            raise TypeError(f"{call}(): {family} address must be tuple, not {kind}")
        if v6 and not 2 <= len(address) <= 4:
            raise TypeError("AF_INET6 address must be a tuple (host, port[, flowinfo[, scopeid]])")
        if not v6 and len(address) != 2:
            raise TypeError("AF_INET address must be a pair (host, port)")
        host, port, *more = address
        port = operator.index(port)
        flow, scope = ([operator.index(number) for number in more] + [0, 0])[:2]
        name, literal = target_of(host, self._family)
        if not 0 <= port <= 0xFFFF:
            raise OverflowError(f"{call}(): port must be 0-65535.")
        if not 0 <= flow <= 0xFFFFF:
            raise OverflowError(f"{call}(): flowinfo must be 0-1048575.")
        return name, port, (literal, port, flow, scope) if v6 else (literal, port)

    def connect(self, address: object, /) -> None:
        """connect(address)

        Connect the socket to a remote address.  For IP sockets, the address
        is a pair (host, port)."""
        host, port, peer = self._target(address, "connect")
        self._endpoint.connect(host, port, peer, self._deadline())

    def connect_ex(self, address: object, /) -> int:
        """connect_ex(address) -> errno

        This is like connect(address), but returns an error code (the errno value)
        instead of raising an exception when an error occurs."""
        host, port, peer = self._target(address, "connect_ex")
        endpoint = self._endpoint
        try:
            endpoint.connect(host, port, peer, self._deadline())
        except stock.gaierror:
            raise
        except OSError as error:
            return error.errno if error.errno is not None else errno.EAGAIN
        return 0

    def getpeername(self) -> Address:
        """getpeername() -> address info

        Return the address of the remote endpoint.  For IP sockets, the address
        info is a pair (hostaddr, port)."""
        return self._endpoint.peer_name()

    def getsockname(self) -> Address:
        """getsockname() -> address info

        Return the address of the local endpoint. The format depends on the
        address family. For IPv4 sockets, the address info is a pair
        (hostaddr, port). For IPv6 sockets, the address info is a 4-tuple
        (hostaddr, port, flowinfo, scope_id)."""
        return self._endpoint.own_name()

    def _refuse_server(self) -> NoReturn:
        _ = self._endpoint
        raise OSError(errno.EOPNOTSUPP, f"sandbox-net: {_SERVERS}")

    def bind(self, address: object, /) -> None:
        """bind(address)

        Bind the socket to a local address: not in a sandbox."""
        self._refuse_server()

    def listen(self, backlog: int = 128, /) -> None:
        """listen([backlog])

        Enable a server to accept connections: not in a sandbox."""
        self._refuse_server()

    def _accept(self) -> tuple[int, Address]:
        """_accept() -> (integer, address info)

        Wait for an incoming connection: not in a sandbox."""
        self._refuse_server()

    # Data.

    def send(self, data: Buffer, flags: int = 0, /) -> int:
        """send(data[, flags]) -> count

        Send a data string to the socket.  For the optional flags
        argument, see the Unix manual.  Return the number of bytes
        sent; this may be less than len(data) if the network is busy."""
        view = bytes_view(data)
        endpoint = self._endpoint
        return endpoint.send(view, self._deadline(flags))

    def sendall(self, data: Buffer, flags: int = 0, /) -> None:
        """sendall(data[, flags])

        Send a data string to the socket.  For the optional flags
        argument, see the Unix manual.  This calls send() repeatedly
        until all data is sent.  If an error occurs, it's impossible
        to tell how much data has been sent."""
        view = bytes_view(data)
        endpoint = self._endpoint
        deadline = self._deadline(flags)
        while True:
            view = view[endpoint.send(view, deadline) :]
            if not view:
                return

    def sendto(self, data: Buffer, *args: object) -> int:
        """sendto(data[, flags], address) -> count

        Like send(data, flags) but allows specifying the destination address.
        For IP sockets, the address is a pair (hostaddr, port)."""
        if len(args) not in (1, 2):
            raise TypeError(f"sendto() takes 2 or 3 arguments ({len(args) + 1} given)")
        self._target(args[-1], "sendto")
        if self._kind == constants.SOCK_STREAM:
            return self.send(data, *args[:-1])  # type: ignore[arg-type]
        raise unsupported("datagrams are not carried, only HTTP and HTTPS")

    def sendmsg(
        self,
        buffers: Iterable[Buffer],
        ancdata: Iterable[object] = (),
        flags: int = 0,
        address: object = None,
        /,
    ) -> int:
        """sendmsg(buffers[, ancdata[, flags[, address]]]) -> count

        Send normal and ancillary data to the socket, gathering the
        non-ancillary data from a series of buffers and concatenating it into
        a single message."""
        if any(True for _ in ancdata):
            raise unsupported("ancillary data is not carried")
        return self.send(b"".join(bytes_view(buffer) for buffer in buffers), flags)

    def recv(self, bufsize: int, flags: int = 0, /) -> bytes:
        """recv(buffersize[, flags]) -> data

        Receive up to buffersize bytes from the socket.  For the optional flags
        argument, see the Unix manual.  When no data is available, block until
        at least one byte is available or until the remote end is closed.  When
        the remote end is closed and all data is read, return the empty string."""
        if bufsize < 0:
            raise ValueError("negative buffersize in recv")
        view = memoryview(bytearray(bufsize))
        return bytes(view[: self._receive(view, flags)])

    def recv_into(self, buffer: Buffer, nbytes: int = 0, flags: int = 0) -> int:
        """recv_into(buffer, [nbytes[, flags]]) -> nbytes_read

        A version of recv() that stores its data into a buffer rather than creating
        a new string.  Receive up to buffersize bytes from the socket.  If buffersize
        is not specified (or 0), receive up to the size available in the given buffer."""
        view = writable_view(buffer, "recv_into")
        if nbytes < 0:
            raise ValueError("negative buffersize in recv_into")
        if nbytes > len(view):
            raise ValueError("buffer too small for requested bytes")
        return self._receive(view[: nbytes or len(view)], flags)

    def recvfrom(self, bufsize: int, flags: int = 0, /) -> tuple[bytes, Address | None]:
        """recvfrom(buffersize[, flags]) -> (data, address info)

        Like recv(buffersize, flags) but also return the sender's address info."""
        if bufsize < 0:
            raise ValueError("negative buffersize in recvfrom")
        return self.recv(bufsize, flags), None

    def recvfrom_into(
        self, buffer: Buffer, nbytes: int = 0, flags: int = 0
    ) -> tuple[int, Address | None]:
        """recvfrom_into(buffer[, nbytes[, flags]]) -> (nbytes, address info)

        Like recv_into(buffer[, nbytes[, flags]]) but also return the sender's address info."""
        return self.recv_into(buffer, nbytes, flags), None

    def _receive(self, view: memoryview, flags: int) -> int:
        endpoint = self._endpoint
        if not view:
            return 0
        deadline = self._deadline(flags)
        got = endpoint.receive(view, deadline)
        if flags & _PEEK:
            endpoint.push_back(bytes(view[:got]))
        elif flags & _WAITALL:
            while got < len(view) and (more := endpoint.receive(view[got:], deadline)):
                got += more
        return got

    # Settings.

    def settimeout(self, value: float | None, /) -> None:
        """settimeout(timeout)

        Set a timeout on socket operations.  'timeout' can be a float,
        giving in seconds, or None.  Setting a timeout of None disables
        the timeout feature and is equivalent to setblocking(1).
        Setting a timeout of zero is the same as setblocking(0)."""
        self._seconds = parse_timeout(value)
        _ = self._endpoint

    def gettimeout(self) -> float | None:
        """gettimeout() -> timeout

        Returns the timeout in seconds (float) associated with socket
        operations. A timeout of None indicates that timeouts on socket
        operations are disabled."""
        return self._seconds

    def setblocking(self, flag: bool, /) -> None:
        """setblocking(flag)

        Set the socket to blocking (flag is true) or non-blocking (false).
        setblocking(True) is equivalent to settimeout(None);
        setblocking(False) is equivalent to settimeout(0.0)."""
        self._seconds = None if flag else 0.0
        _ = self._endpoint

    def getblocking(self) -> bool:
        """getblocking()

        Returns True if socket is in blocking mode, or False if it
        is in non-blocking mode."""
        return self._seconds != 0.0

    def setsockopt(self, level: int, option: int, *value: int | Buffer | None) -> None:
        """setsockopt(level, option, value: int)
        setsockopt(level, option, value: buffer)
        setsockopt(level, option, None, optlen: int)

        Set a socket option. It is remembered; the host's own connection does not change."""
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
        """getsockopt(level, option[, buffersize]) -> value

        Get a socket option.  See the Unix manual for level and option.
        If a nonzero buffersize argument is given, the return value is a
        string of that length; otherwise it is an integer."""
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
        """shutdown(flag)

        Shut down the reading side of the socket (flag == SHUT_RD), the writing side
        of the socket (flag == SHUT_WR), or both ends (flag == SHUT_RDWR)."""
        endpoint = self._endpoint
        if how not in _SHUTDOWN:
            raise os_error(errno.EINVAL)
        reading, writing = _SHUTDOWN[how]
        endpoint.shut_down(reading=reading, writing=writing)

    def close(self) -> None:
        """close()

        Close the socket.  It cannot be used after this call."""
        fd, self._fd = self._fd, -1
        if fd != -1:
            TABLE.close(fd)

    def detach(self) -> int:
        """detach()

        Close the socket object without closing the underlying file descriptor.
        The object cannot be used after this call, but the file descriptor
        can be reused for other purposes.  The file descriptor is returned."""
        fd, self._fd = self._fd, -1
        return fd

    def fileno(self) -> int:
        """fileno() -> integer

        Return the integer file descriptor of the socket."""
        return self._fd
