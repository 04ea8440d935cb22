"""Parses the HTTP/1.1 requests in the bytes that a program sends (RFC 9112).

The parser takes bytes in pieces of any size. It returns a head, the body's bytes without their
transfer coding, and the end. It checks framing only: the host decides what a request may say.
"""

import errno
import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import Enum, auto
from functools import lru_cache
from typing import Final

from .errors import unsupported

MAX_HEAD: Final = 1 << 20  # the most that one frame holds
_MAX_CHUNK_LINE: Final = 4096
_ORDINARY: Final = 8192  # a head of this size is looked for at once
# Programs repeat the fields of their requests: the last of these blocks are parsed once.
_REPEATED: Final = 16
_MAX_REPEATED: Final = 4096

# Body kinds of a request frame.
NO_BODY: Final = 0
SIZED: Final = 1
CHUNKED: Final = 2

Field = tuple[bytes, bytes]

_SIZES: Final = struct.Struct("<QH")
_LENGTH: Final = struct.Struct("<I")
_LENGTHS: Final = struct.Struct("<HI")

_TOKEN: Final = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_REQUEST_LINE: Final = re.compile(rb"([^ ]+) ([^ ]+) HTTP/(1\.[01])")
_HEAD_END: Final = re.compile(rb"\r?\n\r?\n")
_CHUNK_SIZE: Final = re.compile(rb"([0-9A-Fa-f]{1,16})[ \t]*(;.*)?")

# Fields that frame the message on this connection.
_FRAMING: Final = frozenset((b"content-length", b"transfer-encoding", b"connection", b"keep-alive"))
# The options of `Connection` that the host repeats if they stand alone.
_OPTIONS: Final = frozenset((b"close", b"keep-alive"))


@dataclass(frozen=True, slots=True)
class RequestHead:
    """A request without its body."""

    method: bytes
    target: bytes
    version: int
    """10 or 11."""
    fields: tuple[Field, ...]
    """Byte for byte. Of each framing field there is at most one, for its place and its
    spelling."""
    body: int
    """`NO_BODY`, `SIZED` or `CHUNKED`."""
    size: int
    """The length of a `SIZED` body."""
    keep_alive: bool
    """Whether the program wants to keep the connection."""
    packed: bytes | None = field(default=None, compare=False, repr=False)
    """`fields` as a frame has them, if they are packed already."""

    def payload(self) -> bytes:
        """Returns the payload of the request frame."""
        return b"".join(
            (
                _SIZES.pack(self.size, len(self.method)),
                self.method,
                _LENGTH.pack(len(self.target)),
                self.target,
                pack_fields(self.fields) if self.packed is None else self.packed,
            )
        )


def pack_fields(fields: tuple[Field, ...]) -> bytes:
    """Returns fields as frames have them."""
    parts = [struct.pack("<H", len(fields))]
    for name, value in fields:
        parts += (_LENGTHS.pack(len(name), len(value)), name, value)
    return b"".join(parts)


class BodyEnd:
    """The end of a request's body, also of a request without one."""


BODY_END: Final = BodyEnd()
Event = RequestHead | memoryview | BodyEnd


class _State(Enum):
    HEAD = auto()
    SIZED_BODY = auto()
    CHUNK_LINE = auto()
    CHUNK_DATA = auto()
    CHUNK_END = auto()
    TRAILER = auto()


def _malformed(text: str) -> OSError:
    return OSError(errno.EPROTO, f"sandbox-net: {text}")


def _shown(data: bytes) -> str:
    return repr(data[:80])[1:]


class RequestParser:
    """Takes bytes, and returns events."""

    def __init__(self) -> None:
        self._state = _State.HEAD
        self._buffer = bytearray()
        self._line_checked = False
        self._left = 0

    @property
    def between_requests(self) -> bool:
        """Whether the next byte begins a request."""
        return self._state is _State.HEAD and not self._buffer

    @property
    def in_body(self) -> bool:
        """Whether a head was seen whose body has not ended."""
        return self._state is not _State.HEAD

    @property
    def is_at_end(self) -> bool:
        """Whether the piece of a body that was returned last is known to end it."""
        return self._state is _State.SIZED_BODY and not self._left

    def feed(self, data: memoryview) -> Iterator[Event]:
        """Yields the events in `data`. Views of a body are views of `data`, not copies.

        Raises:
            OSError: the bytes are not a request that sandbox-net can send.
        """
        while len(data):
            if self._state is _State.HEAD:
                head, data = self._take_head(data)
                if head is None:
                    return
                yield head
                yield from self._begin_body(head)
            elif self._state in (_State.SIZED_BODY, _State.CHUNK_DATA):
                count = min(self._left, len(data))
                self._left -= count
                yield data[:count]
                data = data[count:]
                if not self._left:
                    yield from self._end_of_run()
            else:
                line, data = self._take_line(data)
                if line is None:
                    return
                yield from self._framing_line(line)

    # The head.

    def _take_head(self, data: memoryview) -> tuple[RequestHead | None, memoryview]:
        buffer = self._buffer
        if not buffer:
            first = bytes(data[:_ORDINARY])
            end = _HEAD_END.search(first)
            if end is not None and _TOKEN.match(first) is not None:
                return parse_head(first[: end.start()]), data[end.end() :]
        seen = len(buffer)
        buffer += data
        while buffer and buffer[0] in b"\r\n":  # RFC 9112 section 2.2: may precede a request
            del buffer[0]
            seen -= 1
        self._check_beginning()
        end = _HEAD_END.search(buffer, max(0, seen - 3))
        if end is None:
            if len(buffer) > MAX_HEAD:
                raise _malformed("the request's head is too large")
            return None, data[:0]
        rest = len(buffer) - end.end()
        text = bytes(buffer[: end.start()])
        buffer.clear()
        self._line_checked = False
        return parse_head(text), data[len(data) - rest :]

    def _check_beginning(self) -> None:
        """Refuses what is not HTTP early, because the program might wait for an answer."""
        buffer = self._buffer
        if not buffer or self._line_checked:
            return
        if _TOKEN.match(buffer) is None:
            self._refuse(_not_http(bytes(buffer)))
        end = buffer.find(b"\n")
        if end >= 0:
            line = bytes(buffer[:end]).removesuffix(b"\r")
            try:
                _parse_request_line(line)
            except OSError as error:
                self._refuse(error)
            self._line_checked = True

    def _refuse(self, error: OSError) -> None:
        self._buffer.clear()
        try:
            raise error
        finally:
            del error  # this frame would keep itself

    # The body.

    def _begin_body(self, head: RequestHead) -> Iterator[Event]:
        if head.body == CHUNKED:
            self._state = _State.CHUNK_LINE
        elif head.body == SIZED and head.size:
            self._state = _State.SIZED_BODY
            self._left = head.size
        else:
            yield BODY_END

    def _end_of_run(self) -> Iterator[Event]:
        if self._state is _State.CHUNK_DATA:
            self._state = _State.CHUNK_END
        else:
            self._state = _State.HEAD
            yield BODY_END

    def _take_line(self, data: memoryview) -> tuple[bytes | None, memoryview]:
        buffer = self._buffer
        seen = len(buffer)
        buffer += data[:_MAX_CHUNK_LINE]
        end = buffer.find(b"\n")
        if end < 0:
            if len(buffer) >= _MAX_CHUNK_LINE:
                raise _malformed("a chunk's size line is too long")
            return None, data[:0]
        line = bytes(buffer[:end]).removesuffix(b"\r")
        buffer.clear()
        return line, data[end + 1 - seen :]

    def _framing_line(self, line: bytes) -> Iterator[Event]:
        if self._state is _State.CHUNK_END:
            if line:
                raise _malformed("a chunk is longer than its size says")
            self._state = _State.CHUNK_LINE
        elif self._state is _State.CHUNK_LINE:
            match = _CHUNK_SIZE.fullmatch(line)
            if match is None:
                raise _malformed(f"{_shown(line)} is no chunk size")
            self._left = int(match[1], 16)
            self._state = _State.CHUNK_DATA if self._left else _State.TRAILER
        elif line:
            raise unsupported("trailer fields of a request are not carried")
        else:
            self._state = _State.HEAD
            yield BODY_END


def _not_http(data: bytes) -> OSError:
    return unsupported(f"only HTTP requests are carried, and {_shown(data)} does not begin one")


def _parse_request_line(line: bytes) -> tuple[bytes, bytes, int]:
    if line.startswith(b"PRI * HTTP/2"):
        raise unsupported("HTTP/2 is spoken by the host; speak HTTP/1.1 inside the sandbox")
    match = _REQUEST_LINE.fullmatch(line)
    if match is None or _TOKEN.fullmatch(match[1]) is None:
        raise _not_http(line)
    method, target, version = match[1], match[2], match[3]
    if method == b"CONNECT":
        raise unsupported("CONNECT is not carried: there are no proxies, the host connects itself")
    if not target.startswith(b"/"):
        raise unsupported(
            f"the request target {_shown(target)} is not a path: "
            "requests to a proxy, and `*`, are not carried"
        )
    return method, target, 10 if version == b"1.0" else 11


def _parse_field(line: bytes) -> Field:
    name, colon, value = line.partition(b":")
    if line[:1] in (b" ", b"\t"):
        raise _malformed("a folded header line (obsolete since RFC 7230)")
    if not colon or _TOKEN.fullmatch(name) is None:
        raise _malformed(f"{_shown(line)} is no header line")
    return name, value.strip(b" \t")


def _tokens(values: list[bytes]) -> list[bytes]:
    return [token.strip(b" \t").lower() for value in values for token in value.split(b",")]


def parse_head(text: bytes) -> RequestHead:
    """Parses a request's head, without the empty line after it.

    Raises:
        OSError: it is not a head that sandbox-net can send.
    """
    first, _, rest = text.partition(b"\n")
    method, target, version = _parse_request_line(first.removesuffix(b"\r"))
    parse = _parse_repeated if len(rest) <= _MAX_REPEATED else _parse_fields
    fields, packed, body, size, options = parse(rest)
    keep_alive = b"close" not in options if version == 11 else b"keep-alive" in options
    return RequestHead(
        method=method,
        target=target,
        version=version,
        fields=fields,
        body=body,
        size=size,
        keep_alive=keep_alive,
        packed=packed,
    )


# The fields of a request, as they are and as a frame has them; what they say of its framing: the
# kind and the size of its body, and the options of `Connection`. The collector does not keep track
# of plain tuples.
_Block = tuple[tuple[Field, ...], bytes, int, int, tuple[bytes, ...]]


def _parse_fields(text: bytes) -> _Block:
    lines = [line.removesuffix(b"\r") for line in text.split(b"\n")] if text else []
    fields = [_parse_field(line) for line in lines]
    if len(fields) > 0xFFFF:
        raise _malformed("too many header lines")
    framing: dict[bytes, list[bytes]] = {name: [] for name in _FRAMING}
    for name, value in fields:
        if name.lower() in _FRAMING:
            framing[name.lower()].append(value)
    body, size = _body_kind(framing[b"content-length"], framing[b"transfer-encoding"])
    carried = tuple(_carried(fields, size, body))
    options = tuple(_tokens(framing[b"connection"]))
    return carried, pack_fields(carried), body, size, options


_parse_repeated = lru_cache(_REPEATED)(_parse_fields)


def _carried(fields: list[Field], size: int, body: int) -> Iterator[Field]:
    """Returns the fields for the host."""
    # Without a body nothing can be continued (RFC 9110 section 10.1.1).
    is_empty = body == NO_BODY or (body == SIZED and not size)
    options = [value.lower() for name, value in fields if name.lower() == b"connection"]
    has_option = len(options) == 1 and options[0] in _OPTIONS
    has_length = False
    for one in fields:
        name, value = one[0].lower(), one[1].lower()
        if name == b"keep-alive" or (name == b"connection" and not has_option):
            continue
        if is_empty and name == b"expect" and value == b"100-continue":
            continue
        if name == b"content-length":
            # Several are all the same, and the host takes one.
            if has_length:
                continue
            has_length = True
        yield one


def _body_kind(lengths: list[bytes], codings: list[bytes]) -> tuple[int, int]:
    """Returns the body's kind and size by RFC 9112 section 6; refuses what is ambiguous."""
    if codings and lengths:
        raise _malformed("a request with both Content-Length and Transfer-Encoding")
    if codings:
        if _tokens(codings) != [b"chunked"]:
            raise unsupported(f"the transfer coding {_shown(b', '.join(codings))} is not carried")
        return CHUNKED, 0
    if not lengths:
        return NO_BODY, 0
    if len(set(lengths)) != 1:
        raise _malformed("a request with different values of Content-Length")
    if re.fullmatch(rb"[0-9]{1,19}", lengths[0]) is None:
        raise _malformed(f"{_shown(lengths[0])} is no Content-Length")
    return SIZED, int(lengths[0])
