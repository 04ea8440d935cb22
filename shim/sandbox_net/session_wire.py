"""What a session's host and guest say to each other. The host's half is `session/wire.rs`.

A request is a mark, an operation, a number, the most bytes of a reply's body, flags, and a text:

    1 | operation: u8 | number: u32 | most: u32 | flags: u8 | text in UTF-8

The entry can return one byte only. So replies are put into a mailbox, whose place in the memory
stays the same: the host asks for its four bytes before anything else. Longer bodies stand
elsewhere. The reply has the request's number. Numbers are little-endian.

    "SNTR" | number: u32 | length of the body: u32 | its address, or 0: u32 | a short body

To start, the text is JSON: the program's `arguments`, and its `variables`.

The body is the kind of the reply and its fields, each a tag, a length and bytes:

    kind: u8 | (tag: u8 | length: u32 | bytes)*
"""

import struct
from array import array
from collections.abc import Iterable
from typing import Final

MARK: Final = 1
ADDRESS: Final = ord("A")
START: Final = ord("S")
EXECUTE: Final = ord("E")
COMPLETE: Final = ord("C")
IS_COMPLETE: Final = ord("I")
END: Final = ord("Q")
LOOK: Final = ord("L")
FORKED: Final = ord("F")

# Flags of a request.
UNBUFFERED: Final = 1
BY_LINES: Final = 2
HAS_OPEN: Final = 4

# Kinds of a reply.
_DONE: Final = b"\0"
_RAISED: Final = b"\1"
_INTERRUPTED: Final = b"\3"

# Tags of its fields.
_TEXT: Final = b"T"
_JSON: Final = b"J"
_MIME: Final = b"M"
_DATA: Final = b"D"
_TYPE: Final = b"N"
_MESSAGE: Final = b"S"
_TRACEBACK: Final = b"B"
_ITEM: Final = b"I"
_TRUNCATED: Final = b"U"

_REQUEST: Final = struct.Struct("<BBIIB")
_REPLY: Final = struct.Struct("<4sIII")
_BEGINS: Final = b"SNTR"
_MAILBOX: Final = 4096
_FIELD: Final = 5
# The least that a body may have: room for what no reply is without.
LEAST: Final = 4096
# A `bytes` object's own bytes begin here.
_OFFSET: Final = bytes.__basicsize__ - 1
_TYPES_MOST: Final = 512
_MESSAGES_MOST: Final = 64 << 10


def is_request(request: bytes) -> bool:
    """Whether it is one of a session, and no source text: that has no such character."""
    return request[:1] == b"\1"


class Mailbox:
    """Where the host finds replies."""

    __slots__ = ("_address", "_kept", "_room")

    def __init__(self) -> None:
        room = array("B", bytes(_MAILBOX))
        self._address = room.buffer_info()[0]
        # An array of which there is a view does not move.
        self._room = memoryview(room)
        self._kept = b""

    def address(self, number: int) -> int:
        """One byte of its address, the lowest first."""
        return (self._address >> 8 * (number & 3)) & 0xFF

    def put(self, number: int, body: bytes) -> None:
        """Puts the reply to a request in."""
        size = len(body)
        if size <= _MAILBOX - _REPLY.size:
            _REPLY.pack_into(self._room, 0, _BEGINS, number, size, 0)
            self._room[_REPLY.size : _REPLY.size + size] = body
        else:
            _REPLY.pack_into(self._room, 0, _BEGINS, number, size, id(body) + _OFFSET)
        # The host reads it after the call.
        self._kept = body


class Request:
    """A request of the host's."""

    __slots__ = ("_bytes", "flags", "limit", "number", "operation")

    def __init__(self, request: bytes) -> None:
        _, self.operation, self.number, self.limit, self.flags = _REQUEST.unpack_from(request)
        self._bytes = request

    def text(self) -> str:
        """Its text."""
        return self._bytes[_REQUEST.size :].decode()


class Reply:
    """Makes the body of the one reply to a request."""

    __slots__ = ("_left", "_parts", "_truncated")

    def __init__(self, limit: int) -> None:
        self._left = max(limit, LEAST) - 2 * _FIELD
        self._parts: list[bytes] = []
        self._truncated = False

    def done(self) -> bytes:
        """The request was carried out, with the value that was shown."""
        if not self._parts and not self._truncated:
            return _DONE
        return self._of(_DONE)

    def raised(self, name: str, message: str, traceback: str) -> bytes:
        """The program raised an exception."""
        return self._of_exception(_RAISED, name, message, traceback)

    def interrupted(self, name: str, message: str, traceback: str) -> bytes:
        """The program ended at a `KeyboardInterrupt`."""
        return self._of_exception(_INTERRUPTED, name, message, traceback)

    def failed(self, error: BaseException) -> bytes:
        """There was no room even for the traceback of an exception."""
        self._parts.clear()
        name = type(error).__name__
        return self.raised(name, str(error), f"{name}: {error}\n".replace(": \n", "\n"))

    def listed(self, items: Iterable[str]) -> bytes:
        """What was asked for is a list of texts."""
        for item in items:
            if not self._add(_ITEM, _encoded(item)):
                break
        return self._of(_DONE)

    def shows(self, text: str) -> None:
        """The value is shown as this text, whose beginning alone may fit."""
        self._cut(_TEXT, text, self._left)

    def has_room(self, size: int) -> bool:
        """Whether so many more bytes fit."""
        return size + 2 * _FIELD <= self._left

    def has_json(self, text: str) -> None:
        """The value is this JSON."""
        self._add(_JSON, _encoded(text))

    def has_form(self, mime: str, data: str) -> None:
        """The value is shown as `data` of this type, all of it or not at all."""
        name, form = _encoded(mime), _encoded(data)
        if not self.has_room(len(name) + len(form)):
            self._truncated = True
            return
        self._add(_MIME, name)
        self._add(_DATA, form)

    def _of_exception(self, kind: bytes, name: str, message: str, traceback: str) -> bytes:
        self._parts.clear()
        self._cut(_TYPE, name, min(_TYPES_MOST, self._left))
        self._cut(_MESSAGE, message, min(_MESSAGES_MOST, self._left // 4))
        self._cut_beginning(traceback)
        return self._of(kind)

    def _cut(self, tag: bytes, text: str, most: int) -> None:
        """Adds the beginning of a text."""
        most = max(0, min(most, self._left - _FIELD))
        # No more than that is encoded.
        data = _encoded(text[:most])
        if len(data) > most or len(text) > most:
            self._truncated = True
            data = data[:most].decode(errors="ignore").encode()
        self._add(tag, data)

    def _cut_beginning(self, text: str) -> None:
        """Adds the end of a traceback, which says what went wrong."""
        most = self._left - _FIELD
        data = _encoded(text[-most:])
        if len(data) > most or len(text) > most:
            self._truncated = True
            data = data[-most:].decode(errors="ignore").encode()
        self._add(_TRACEBACK, data)

    def _add(self, tag: bytes, data: bytes) -> bool:
        fits = len(data) + _FIELD <= self._left
        if fits:
            self._left -= len(data) + _FIELD
            self._parts += (tag, len(data).to_bytes(4, "little"), data)
        else:
            self._truncated = True
        return fits

    def _of(self, kind: bytes) -> bytes:
        if self._truncated:
            self._parts += (_TRUNCATED, bytes(4))
        return kind + b"".join(self._parts)


def _encoded(text: str) -> bytes:
    """As UTF-8; what is half a character there is written as its escape."""
    return text.encode(errors="backslashreplace")
