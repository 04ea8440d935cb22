"""The control channel: sends frames to the host and reads its replies (`adapter/FRAMES.md`)."""

import contextlib
import errno
import os
import struct
from collections.abc import Callable, Sequence
from typing import Final, NamedTuple, NoReturn, Protocol

from .live_locks import Activity

# Generated from adapter/frames.toml by `cargo run -p xtask -- frames`: the numbers.
VERSION: Final = 1

# Commands.
CONNECT: Final = 1
STATUS: Final = 2
START_TLS: Final = 3
TLS_INFO: Final = 4
REQUEST: Final = 5
WRITE: Final = 6
FINISH: Final = 7
HEAD: Final = 8
READ: Final = 9
POLL: Final = 10
CLOSE: Final = 11
RESOLVE: Final = 12

# Interests of `POLL`.
PHASE: Final = 1
BODY: Final = 2
WRITABLE: Final = 4

MAX_POLL_ENTRIES: Final = 4096

# Statuses of a reply.
_OK: Final = 0
_PENDING: Final = 1
_ERROR: Final = 2

_END: Final = 1  # the `value` of a `READ` reply behind the last byte
# Bits of the `value` of a reply with bytes of a body.
LAST: Final = 2
CLOSED: Final = 4
WHOLE: Final = 256  # a bit of `arg`: the bytes end the body
_BODIES: Final = 2147483648  # the descriptor of an exchange's bodies is its id and this
_HEADER: Final = 16
# End of what is generated.

FOREVER: Final = (1 << 64) - 1  # the `POLL` timeout of a wait without an end

# The descriptor is 0xFFFFFFFE: as a C int, which is what the functions of `os` take, it is -2.
_CONTROL_FD: Final = -2

_FRAME: Final = struct.Struct("<BBHIII")
_REPLY: Final = struct.Struct("<BBBBIII")
_STATUSES: Final = (_OK, _PENDING, _ERROR)
_TIMEOUT: Final = struct.Struct("<Q")
_SCRATCH: Final = 64 * 1024

# What `Channel.take` and `Channel.put` return where they move nothing.
NOTHING: Final = -1  # nothing can be moved now
ASK: Final = 0  # a frame has something to tell

Entry = tuple[int, int]
"""An id, and the interests in it."""


class BrokenChannel(OSError):
    """The channel does not answer as `FRAMES.md` requires."""

    def __init__(self, text: str) -> None:
        super().__init__(errno.EIO, f"sandbox-net: {text}")


class Transport(Protocol):
    """Sends whole frames, and receives the bytes of their replies."""

    def write(self, header: bytes, payload: bytes | memoryview) -> None:
        """Writes one frame, all of it at once."""

    def read_into(self, view: memoryview) -> int:
        """Reads the next bytes of the reply into `view`; returns 0 at the reply's end."""


def _reader(fd: int) -> Callable[[memoryview], int]:
    """Finds how this Python reads into a buffer, because builds differ."""
    readinto: Callable[[int, memoryview], int] | None = getattr(os, "readinto", None)
    if readinto is not None:
        return lambda view: readinto(fd, view)
    readv: Callable[[int, Sequence[memoryview]], int] | None = getattr(os, "readv", None)
    if readv is not None:
        return lambda view: readv(fd, (view,))

    def read(view: memoryview) -> int:
        data = os.read(fd, len(view))
        view[: len(data)] = data
        return len(data)

    return read


def _taker() -> Callable[[int, memoryview], int] | None:
    """Returns what reads a body directly into a buffer, if this Python has it."""
    readinto: Callable[[int, memoryview], int] | None = getattr(os, "readinto", None)
    if readinto is None:
        return None

    def take(handle: int, view: memoryview) -> int:
        try:
            return readinto(handle - _BODIES, view)
        except BlockingIOError:
            return NOTHING
        except OSError:
            return ASK

    return take


class FdTransport:
    """Frames on a file descriptor, and bodies on others."""

    def __init__(self, fd: int = _CONTROL_FD) -> None:
        self._fd = fd
        self.read_into: Callable[[memoryview], int] = _reader(fd)
        self.take = _taker()
        self._writev: Callable[[int, Sequence[bytes | memoryview]], int] | None
        self._writev = getattr(os, "writev", None)

    def write(self, header: bytes, payload: bytes | memoryview) -> None:
        """Writes one frame; without `writev` that takes one copy."""
        try:
            if not len(payload):
                written = os.write(self._fd, header)
            elif self._writev is not None:
                written = self._writev(self._fd, (header, payload))
            else:
                written = os.write(self._fd, b"".join((header, payload)))
        except OSError as error:
            if error.errno != errno.EBADF:
                raise
            raise PermissionError(errno.EACCES, "this sandbox has no network") from None
        if written != len(header) + len(payload):
            raise BrokenChannel(f"only {written} bytes of a frame were taken")

    @staticmethod
    def put(handle: int, data: memoryview) -> int:
        """Writes bytes of a body; returns how many, or `NOTHING` or `ASK`."""
        try:
            return os.write(handle - _BODIES, data)
        except BlockingIOError:
            return NOTHING
        except OSError:
            return ASK


class ChannelError(Exception):
    """An error reply."""

    def __init__(self, code: int, detail: int, text: str = "", rest: bytes = b"") -> None:
        super().__init__(code, detail, text, rest)
        self.code = code
        self.detail = detail
        self.text = text
        self.rest = rest


class Reply(NamedTuple):
    """A reply that is not an error."""

    pending: bool
    value: int
    payload: bytes


class Chunk(NamedTuple):
    """The result of `Channel.read_into`."""

    size: int
    pending: bool
    end: bool
    """Whether the body is complete, with these bytes."""
    trailers: bytes = b""
    """The fields after the body, if this reply ends it."""
    closed: bool = False
    """Whether the exchange is over, and its handle is returned."""


class Channel:
    """Makes calls over a transport, one at a time."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport
        self._take: Callable[[int, memoryview], int] | None = getattr(transport, "take", None)
        self._put: Callable[[int, memoryview], int] | None = getattr(transport, "put", None)
        self._scratch = memoryview(bytearray(_SCRATCH))
        self._header = memoryview(bytearray(_HEADER))
        self._busy = False
        self._closing: list[int] = []

    def call(
        self,
        command: int,
        handle: int = 0,
        arg: int = 0,
        payload: bytes | memoryview = b"",
    ) -> Reply:
        """Executes one command.

        Raises:
            ChannelError: the host refused it, or failed.
        """
        if self._busy:
            self._refuse()
        self._busy = True
        try:
            return self._call(command, handle, arg, payload)
        finally:
            if self._closing:
                self._close_waiting()
            self._busy = False

    def read_into(self, handle: int, view: memoryview, wait_ns: int | None = None) -> Chunk:
        """Sends `READ`; the bytes go where the caller wants them.

        With a time, even 0, it waits for the first ones, and tells of the end with the last ones.
        """
        Activity.count += 1
        if self._busy:
            self._refuse()
        self._busy = True
        try:
            return self._read_into(handle, view, wait_ns)
        finally:
            if self._closing:
                self._close_waiting()
            self._busy = False

    def head(self, handle: int, most: int, wait_ns: int) -> Reply:
        """Sends `HEAD`: waits for the head, and takes at most `most` bytes of the body with it."""
        return self.call(HEAD, handle, most, _TIMEOUT.pack(wait_ns))

    def take(self, handle: int, view: memoryview) -> int:
        """Moves what is there of a response's body into `view`, without a frame.

        Returns how many bytes; `NOTHING`, or `ASK` if only a frame can tell.
        """
        if self._take is None:
            return ASK
        if self._busy:
            self._refuse()
        Activity.count += 1
        return self._take(handle, view)

    def put(self, handle: int, data: memoryview) -> int:
        """Moves bytes of `data` into a request's body, without a frame; returns as `take`."""
        if self._put is None:
            return ASK
        if self._busy:
            self._refuse()
        Activity.count += 1
        return self._put(handle, data)

    def close(self, handle: int) -> None:
        """Returns a handle to the host, and ignores errors.

        A finalizer may call this, even in the middle of a call. Then the handle is closed after
        that call.
        """
        self._closing.append(handle)
        if self._busy:
            return
        self._busy = True
        try:
            self._close_waiting()
        finally:
            self._busy = False

    @staticmethod
    def _refuse() -> NoReturn:
        raise BrokenChannel("a finalizer used the network in the middle of a call")

    def _close_waiting(self) -> None:
        while self._closing:
            with contextlib.suppress(ChannelError, OSError):
                self._call(CLOSE, self._closing.pop(), 0, b"")

    def _call(self, command: int, handle: int, arg: int, payload: bytes | memoryview) -> Reply:
        Activity.count += 1
        header = _FRAME.pack(VERSION, command, 0, handle, arg, len(payload))
        self._transport.write(header, payload)
        scratch = self._scratch
        got = self._transport.read_into(scratch)
        while got < _HEADER:
            got += self._more(scratch[got:_HEADER])
        version, status, code, detail, value, _extra, length = _REPLY.unpack_from(scratch)
        if version != VERSION or status not in _STATUSES:
            raise BrokenChannel("a reply of an unknown kind")
        if got == _HEADER + length and status != _ERROR:  # as nearly always
            return Reply(status == _PENDING, value, bytes(scratch[_HEADER:got]))
        if length <= len(scratch) - _HEADER:
            body = scratch[_HEADER : _HEADER + length]
        else:
            body = memoryview(bytearray(length))
            body[: got - _HEADER] = scratch[_HEADER:got]
        have = got - _HEADER
        while have < length:
            have += self._more(body[have:])
        if status == _ERROR:
            raise _error(code, detail, bytes(body))
        return Reply(status == _PENDING, value, bytes(body))

    def _read_into(self, handle: int, view: memoryview, wait_ns: int | None) -> Chunk:
        payload = b"" if wait_ns is None else _TIMEOUT.pack(wait_ns)
        self._send(READ, handle, len(view), payload)
        header = self._header
        self._fill(header)
        status, code, detail, value, length = self._parse(header)
        if status == _ERROR:
            body = memoryview(bytearray(length))
            self._fill(body)
            raise _error(code, detail, bytes(body))
        closed = bool(value & CLOSED)
        if status == _OK and value & _END:
            trailers = memoryview(bytearray(length))
            self._fill(trailers)
            return Chunk(0, pending=False, end=True, trailers=bytes(trailers), closed=closed)
        if length > len(view):
            raise BrokenChannel("more bytes than were asked for")
        self._fill(view[:length])
        return Chunk(length, pending=status == _PENDING, end=bool(value & LAST), closed=closed)

    def poll(self, entries: Sequence[Entry], timeout_ns: int) -> list[int]:
        """Waits until one of `entries` is ready; yields those that are."""
        if len(entries) > MAX_POLL_ENTRIES:
            raise OverflowError("too many file descriptors in select()")
        parts = [struct.pack("<Q", timeout_ns)]
        parts += [struct.pack("<IBxxx", handle, interest) for handle, interest in entries]
        reply = self.call(POLL, payload=b"".join(parts))
        if len(reply.payload) != len(entries):
            raise BrokenChannel("a poll reply of the wrong size")
        return list(reply.payload)

    def _send(self, command: int, handle: int, arg: int, payload: bytes | memoryview) -> None:
        header = _FRAME.pack(VERSION, command, 0, handle, arg, len(payload))
        self._transport.write(header, payload)

    def _more(self, view: memoryview) -> int:
        got = self._transport.read_into(view)
        if got <= 0:
            raise BrokenChannel("a reply ended early")
        return got

    def _fill(self, view: memoryview) -> None:
        have = 0
        while have < len(view):
            have += self._more(view[have:])

    @staticmethod
    def _parse(header: memoryview) -> tuple[int, int, int, int, int]:
        version, status, code, detail, value, _extra, length = _REPLY.unpack_from(header)
        if version != VERSION or status not in _STATUSES:
            raise BrokenChannel("a reply of an unknown kind")
        return status, code, detail, value, length


def _error(code: int, detail: int, payload: bytes) -> ChannelError:
    if len(payload) < 4:  # the adapter's own errors say nothing more
        return ChannelError(code, detail)
    (length,) = struct.unpack_from("<I", payload)
    text = payload[4 : 4 + length].decode("utf-8", "replace")
    return ChannelError(code, detail, text, payload[4 + length :])
