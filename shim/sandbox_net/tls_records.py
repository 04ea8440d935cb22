"""The bytes that an `SSLObject` and the socket below it exchange in place of a handshake.

A program that does TLS over memory buffers (asyncio and anyio do) moves the bytes itself, and
nothing tells the socket that they are TLS. So the first record that such a session gives out asks
the socket to have the host begin TLS, and the record that answers says how that ended. From then
on the session changes nothing: plain bytes go both ways, and the host encrypts.

Both records look like records of a TLS handshake (RFC 8446 section 5.1), so that whoever looks at
the first byte sees TLS.
"""

import struct
from typing import Final

from .channel import ChannelError
from .tls_request import TlsRequest

_TITLE: Final = b"sandbox-net tls"
_PREFIX: Final = b"\x16\x03\x01" + struct.pack(">H", len(_TITLE)) + _TITLE
_LENGTH: Final = struct.Struct("<I")
_MOST: Final = 1 << 20
FIRST: Final = _PREFIX[:1]
"""What every TLS session begins with."""

_SETTLED: Final = 0
_FAILED: Final = 1


class NotOurs(Exception):
    """The bytes are of another's TLS."""


class RecordReader:
    """Puts one record together."""

    def __init__(self) -> None:
        self._data = bytearray()

    def __bool__(self) -> bool:
        return bool(self._data)

    @property
    def missing(self) -> int:
        """How many bytes to feed next, at most; 0 when the record is whole.

        Raises:
            NotOurs: this is no such record.
        """
        data = self._data
        if not _PREFIX.startswith(data[: len(_PREFIX)]):
            raise NotOurs
        head = len(_PREFIX) + _LENGTH.size
        if len(data) < head:
            return head - len(data)
        (length,) = _LENGTH.unpack_from(data, len(_PREFIX))
        if length > _MOST:
            raise NotOurs
        return int(head + length - len(data))

    def feed(self, data: bytes | memoryview) -> None:
        """Adds bytes, at most as many as are missing."""
        self._data += data

    def take(self) -> bytes:
        """The contents of the whole record; the next one may follow."""
        contents = bytes(self._data[len(_PREFIX) + _LENGTH.size :])
        self._data.clear()
        return contents


def _record(contents: bytes) -> bytes:
    return _PREFIX + _LENGTH.pack(len(contents)) + contents


def pack_request(request: TlsRequest) -> bytes:
    """The record that asks the socket to begin TLS."""
    return _record(bytes((request.settings,)) + request.payload())


def pack_settled(info: bytes) -> bytes:
    """The record that says what was settled: the payload of a `tls-info` reply."""
    return _record(bytes((_SETTLED,)) + info)


def pack_failure(error: ChannelError) -> bytes:
    """The record that says why there is no session."""
    text = error.text.encode("utf-8")
    head = struct.pack("<BBBI", _FAILED, error.code, error.detail, len(text))
    return _record(head + text + error.rest)


def unpack_outcome(contents: bytes) -> bytes:
    """What was settled.

    Raises:
        ChannelError: the handshake failed.
    """
    if contents[0] == _SETTLED:
        return contents[1:]
    _, code, detail, length = struct.unpack_from("<BBBI", contents)
    text, rest = contents[7 : 7 + length], contents[7 + length :]
    raise ChannelError(code, detail, text.decode("utf-8", "replace"), rest)
