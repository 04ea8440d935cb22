"""The bytes that an `SSLObject` and the socket below it exchange instead of a handshake.

A program that does TLS over memory buffers (asyncio and anyio do) moves the bytes itself, and the
socket cannot know that they are TLS. So the first record of such a session asks the socket to have
the host begin TLS, and the record that answers contains the result. Afterwards the session changes
nothing: plain bytes go both ways, and the host encrypts.

Both records look like records of a TLS handshake (RFC 8446 section 5.1), so that code that looks at
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
    """The bytes come from another TLS library."""


class RecordReader:
    """Reads one record piece by piece."""

    def __init__(self) -> None:
        self._data = bytearray()

    def __bool__(self) -> bool:
        return bool(self._data)

    @property
    def missing(self) -> int:
        """Returns the most bytes to feed next; 0 when the record is whole.

        Raises:
            NotOurs: this is not such a record.
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
        """Returns the contents of the whole record; the next one may follow."""
        contents = bytes(self._data[len(_PREFIX) + _LENGTH.size :])
        self._data.clear()
        return contents


def _record(contents: bytes) -> bytes:
    return _PREFIX + _LENGTH.pack(len(contents)) + contents


def pack_request(request: TlsRequest) -> bytes:
    """Returns the record that asks the socket to begin TLS."""
    return _record(bytes((request.settings,)) + request.payload())


def pack_settled(info: bytes) -> bytes:
    """Returns the record with the result: the payload of a `tls-info` reply."""
    return _record(bytes((_SETTLED,)) + info)


def pack_failure(error: ChannelError) -> bytes:
    """Returns the record that says why there is no session."""
    text = error.text.encode("utf-8")
    head = struct.pack("<BBBI", _FAILED, error.code, error.detail, len(text))
    return _record(head + text + error.rest)


def unpack_outcome(contents: bytes) -> bytes:
    """Returns the result of the handshake.

    Raises:
        ChannelError: the handshake failed.
    """
    if contents[0] == _SETTLED:
        return contents[1:]
    _, code, detail, length = struct.unpack_from("<BBBI", contents)
    text, rest = contents[7 : 7 + length], contents[7 + length :]
    raise ChannelError(code, detail, text.decode("utf-8", "replace"), rest)
