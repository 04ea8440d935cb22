"""Makes the HTTP/1.1 bytes of a response from the host's head (RFC 9112)."""

import re
import struct
from dataclasses import dataclass
from enum import Enum, auto
from http import HTTPStatus
from typing import Final

from .http1_request import Field, RequestHead

CONTINUE: Final = b"HTTP/1.1 100 Continue\r\n\r\n"
CHUNK_END: Final = b"\r\n"

_HTTP_2: Final = 20


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


def _read_fields(payload: bytes, at: int) -> tuple[Field, ...]:
    (count,) = struct.unpack_from("<H", payload, at)
    at += 2
    fields = []
    for _ in range(count):
        name_length, value_length = struct.unpack_from("<HI", payload, at)
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
    """10, 11 or 20."""
    reason: bytes
    fields: tuple[Field, ...]

    @classmethod
    def from_payload(cls, payload: bytes, at: int = 0) -> "ResponseHead":
        """Reads the payload of a `head` reply, whose head begins `at` there."""
        status, version, reason_length = struct.unpack_from("<HBxH", payload, at)
        begin, at = at + 6, at + 6 + reason_length
        reason = payload[begin:at]
        return cls(status, version, reason, _read_fields(payload, at))

    def values(self, name: bytes) -> list[bytes]:
        """Returns the values of the field `name`, which is in lower case."""
        return [value for key, value in self.fields if key.lower() == name]


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
    framing, length = _framing(head, request)
    fields = head.fields
    if framing is Framing.CHUNKED and not head.values(b"transfer-encoding"):
        fields += ((b"Transfer-Encoding", b"chunked"),)
    elif framing is Framing.CLOSE and _is_chunked(head):
        # The host removed the coding, and a program that speaks HTTP/1.0 could not decode it.
        fields = tuple(f for f in fields if f[0].lower() != b"transfer-encoding")
    if request.version == 11 and not request.keep_alive and b"close" not in _options(head):
        # The host did not pass the option on; a server that gets it repeats it and nothing else.
        fields = tuple(field for field in fields if not _is_keep_alive(field))
        fields += ((b"Connection", b"close"),)
    keep_alive = request.keep_alive and framing is not Framing.CLOSE and _stays_open(head)
    if framing is Framing.LENGTH:
        # Some clients cannot read a list of equal lengths, and read to the end instead.
        keep_alive = keep_alive and all(map(_is_number, head.values(b"content-length")))
    return ResponsePlan(_head_bytes(head, fields), framing, length, keep_alive)


def _framing(head: ResponseHead, request: RequestHead) -> tuple[Framing, int]:
    if request.method == b"HEAD" or head.status in (204, 304) or head.status < 200:
        return Framing.NONE, 0
    if head.values(b"transfer-encoding"):
        chunks = _is_chunked(head) and request.version == 11 and head.version != 10
        return (Framing.CHUNKED if chunks else Framing.CLOSE), 0
    length = _content_length(head.values(b"content-length"))
    if length is not None:
        return Framing.LENGTH, length
    if head.version == _HTTP_2 and request.version == 11:
        return Framing.CHUNKED, 0
    return Framing.CLOSE, 0


def _is_chunked(head: ResponseHead) -> bool:
    codings = head.values(b"transfer-encoding")
    return bool(codings) and codings[-1].split(b",")[-1].strip().lower() == b"chunked"


def _content_length(values: list[bytes]) -> int | None:
    texts = {part.strip() for value in values for part in value.split(b",")}
    if len(texts) != 1:
        return None
    text = texts.pop()
    return int(text) if _is_number(text) else None


def _is_number(text: bytes) -> bool:
    return re.fullmatch(rb"[0-9]{1,19}", text) is not None


def _options(head: ResponseHead) -> list[bytes]:
    """Returns the options of `Connection`, in lower case."""
    return [
        option.strip().lower()
        for value in head.values(b"connection")
        for option in value.split(b",")
    ]


def _is_keep_alive(field: Field) -> bool:
    name, value = field
    return name.lower() == b"connection" and value.strip().lower() == b"keep-alive"


def _stays_open(head: ResponseHead) -> bool:
    if head.version == 10:
        return b"keep-alive" in _options(head)
    return b"close" not in _options(head)


def _reason(head: ResponseHead) -> bytes:
    if head.reason or head.version != _HTTP_2:
        return head.reason
    try:
        return HTTPStatus(head.status).phrase.encode("ascii")
    except ValueError:
        return b""


def _head_bytes(head: ResponseHead, fields: tuple[Field, ...]) -> bytes:
    version = b"1.0" if head.version == 10 else b"1.1"
    lines = [b"HTTP/%b %03d %b" % (version, head.status, _reason(head))]
    lines += [b"%b: %b" % field for field in fields]
    return b"\r\n".join(lines) + b"\r\n\r\n"


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
