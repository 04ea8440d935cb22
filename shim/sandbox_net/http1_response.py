"""Makes the HTTP/1.1 bytes of a response from the host's head (RFC 9112)."""

import struct
from dataclasses import dataclass
from enum import Enum, auto
from http import HTTPStatus
from typing import Final

from .http1_request import Field, RequestHead

CONTINUE: Final = b"HTTP/1.1 100 Continue\r\n\r\n"
CHUNK_END: Final = b"\r\n"

_WITHOUT_FRAMING: Final = (20, 0)
"""HTTP/2, and a version that the host does not know: there may be no reason and no framing."""
_MOST_DIGITS: Final = 19


class Framing(Enum):
    """What ends a response's body."""

    NONE = auto()
    """There is no body."""
    LENGTH = auto()
    """`Content-Length`."""
    CHUNKED = auto()
    """The last chunk."""
    CLOSE = auto()
    """The end of the connection."""


_HEAD: Final = struct.Struct("<HBxH")
_COUNT: Final = struct.Struct("<H")
_LENGTHS: Final = struct.Struct("<HI")


def _read_fields(payload: bytes, at: int) -> tuple[Field, ...]:
    (count,) = _COUNT.unpack_from(payload, at)
    at += 2
    fields = []
    lengths = _LENGTHS.unpack_from
    for _ in range(count):
        name_length, value_length = lengths(payload, at)
        at += 6
        middle, end = at + name_length, at + name_length + value_length
        fields.append((payload[at:middle], payload[middle:end]))
        at = end
    return tuple(fields)


@dataclass(frozen=True, slots=True)
class ResponseHead:
    """A response's head from the host."""

    status: int
    version: int
    """10, 11 or 20; 0 where the host does not know it."""
    reason: bytes
    fields: tuple[Field, ...]

    @classmethod
    def from_payload(cls, payload: bytes, at: int = 0) -> "ResponseHead":
        """Reads the payload of a `head` reply, whose head begins `at` there."""
        status, version, reason_length = _HEAD.unpack_from(payload, at)
        begin, at = at + 6, at + 6 + reason_length
        reason = payload[begin:at]
        return cls(status, version, reason, _read_fields(payload, at))


class _Facts:
    """What the fields of a head say of the message's framing, found in one pass."""

    __slots__ = ("codings", "lengths", "options")

    def __init__(self, fields: tuple[Field, ...]) -> None:
        self.codings: list[bytes] = []
        self.lengths: list[bytes] = []
        self.options: list[bytes] = []
        """The options of `Connection`, in lower case."""
        for name, value in fields:
            size = len(name)
            if size == 14:
                if name.lower() == b"content-length":
                    self.lengths.append(value)
            elif size == 17:
                if name.lower() == b"transfer-encoding":
                    self.codings.append(value)
            elif size == 10 and name.lower() == b"connection":
                self.options += [option.strip().lower() for option in value.split(b",")]

    @property
    def is_chunked(self) -> bool:
        """Whether `chunked` is the last coding."""
        codings = self.codings
        return bool(codings) and codings[-1].split(b",")[-1].strip().lower() == b"chunked"

    def content_length(self) -> int | None:
        """The length, if all that are there say the same."""
        texts = {part.strip() for value in self.lengths for part in value.split(b",")}
        if len(texts) != 1:
            return None
        text = texts.pop()
        return int(text) if _is_number(text) else None

    def stays_open(self, version: int) -> bool:
        """Whether the connection may carry more after the response."""
        return b"keep-alive" in self.options if version == 10 else b"close" not in self.options


@dataclass(frozen=True, slots=True)
class ResponsePlan:
    """What the program reads: the head's bytes, and how the body follows."""

    head: bytes
    framing: Framing
    length: int
    """The body's length if `framing` is `LENGTH`."""
    keep_alive: bool
    """Whether the connection stays open after the response."""


UNFRAMED: Final = ResponsePlan(b"", Framing.CLOSE, 0, keep_alive=False)
"""The plan for bytes that are not a valid response: the program judges them itself."""


def plan_response(head: ResponseHead, request: RequestHead) -> ResponsePlan:
    """Decides how to show the response to `request` in HTTP/1."""
    fields = head.fields
    facts = _Facts(fields)
    framing, length = _framing(head, request, facts)
    if framing is Framing.CHUNKED and not facts.codings:
        fields += ((b"Transfer-Encoding", b"chunked"),)
    elif framing is Framing.CLOSE and facts.is_chunked:
        # The host removed the coding, and a program that speaks HTTP/1.0 could not decode it.
        fields = tuple(f for f in fields if f[0].lower() != b"transfer-encoding")
    if request.version == 11 and not request.keep_alive and b"close" not in facts.options:
        # The host did not pass the option on; a server that gets it repeats it and nothing else.
        fields = tuple(field for field in fields if not _is_keep_alive(field))
        fields += ((b"Connection", b"close"),)
    keep_alive = (
        request.keep_alive and framing is not Framing.CLOSE and facts.stays_open(head.version)
    )
    if framing is Framing.LENGTH:
        # Some clients cannot read a list of equal lengths, and read to the end instead.
        keep_alive = keep_alive and all(map(_is_number, facts.lengths))
    return ResponsePlan(_head_bytes(head, fields), framing, length, keep_alive)


def _framing(head: ResponseHead, request: RequestHead, facts: _Facts) -> tuple[Framing, int]:
    if request.method == b"HEAD" or head.status in (204, 304) or head.status < 200:
        return Framing.NONE, 0
    if facts.codings:
        chunks = facts.is_chunked and request.version == 11 and head.version != 10
        return (Framing.CHUNKED if chunks else Framing.CLOSE), 0
    length = facts.content_length()
    if length is not None:
        return Framing.LENGTH, length
    if head.version in _WITHOUT_FRAMING and request.version == 11:
        return Framing.CHUNKED, 0
    return Framing.CLOSE, 0


def _is_number(text: bytes) -> bool:
    return text.isdigit() and len(text) <= _MOST_DIGITS


def _is_keep_alive(field: Field) -> bool:
    name, value = field
    return name.lower() == b"connection" and value.strip().lower() == b"keep-alive"


def _reason(head: ResponseHead) -> bytes:
    if head.reason or head.version not in _WITHOUT_FRAMING:
        return head.reason
    try:
        return HTTPStatus(head.status).phrase.encode("ascii")
    except ValueError:
        return b""


def _head_bytes(head: ResponseHead, fields: tuple[Field, ...]) -> bytes:
    version = b"1.0" if head.version == 10 else b"1.1"
    parts = [b"HTTP/%b %03d %b\r\n" % (version, head.status, _reason(head))]
    for name, value in fields:
        parts += (name, b": ", value, b"\r\n")
    parts.append(b"\r\n")
    return b"".join(parts)


def chunk_head(size: int) -> bytes:
    """Returns the line before a chunk of `size` bytes."""
    return b"%x\r\n" % size


def broken_chunk(received: bytes) -> bytes:
    """Returns the server's broken line so that no client takes it for a chunk's size."""
    line = received.partition(b"\n")[0].rstrip(b"\r")
    try:
        # Clients in Python accept more spellings of a number than the host does.
        int(line.partition(b";")[0], 16)
    except ValueError:
        return line + b"\r\n"
    return b"?" + line + b"\r\n"


def last_chunk(trailers: bytes) -> bytes:
    """Returns the end of a chunked body, from the payload of the last `read` reply."""
    fields = _read_fields(trailers, 0) if trailers else ()
    return b"0\r\n" + b"".join(b"%b: %b\r\n" % field for field in fields) + b"\r\n"
