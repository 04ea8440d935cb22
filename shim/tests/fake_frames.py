"""The frames of `adapter/FRAMES.md`, as the tests' host reads and writes them."""

import struct
import sys
from dataclasses import dataclass
from typing import Final

FRAME = struct.Struct("<BBHIII")
REPLY = struct.Struct("<BBBBIII")

# Generated from adapter/frames.toml by `cargo run -p xtask -- frames`: the numbers.
OK = 0
PENDING = 1
ERROR = 2

DENIED = 1
DNS = 2
REFUSED = 3
UNREACHABLE = 4
RESET = 5
TIMEOUT = 6
TLS = 7
PROTOCOL = 8
LIMIT = 9
CLOSED = 10
INVALID = 11

BAD_FRAME = 128
BAD_VERSION = 129
BAD_COMMAND = 130
BAD_HANDLE = 131
BAD_HANDLES = 132
BAD_SIZE = 133
BAD_MEMORY = 134

LAST = 2
CLOSED_TOO = 4
WHOLE = 256

MAX_PAYLOAD = 1048576
MAX_READ = 131072
# End of what is generated.

FOREVER = (1 << 64) - 1


class Wait:
    """Pending until the next poll."""


WAIT = Wait()


@dataclass
class Failure(Exception):
    """An error reply."""

    code: int
    detail: int = 0
    text: str = ""
    rest: bytes = b""

    def payload(self) -> bytes:
        if self.code >= BAD_FRAME:
            return b""
        text = self.text.encode()
        return struct.pack("<I", len(text)) + text + self.rest


class Pending(Exception):
    """Nothing to return now, except perhaps the reply's value."""

    def __init__(self, value: int = 0) -> None:
        super().__init__(value)
        self.value = value


DEFAULT_CHECKS: Final = 0b110_0000 if sys.version_info >= (3, 13) else 0
"""Strict and partial-chain: what `ssl.create_default_context` asks for."""


@dataclass
class TlsSettings:
    """The settings that a guest requested for a TLS session."""

    server_name: str
    versions: tuple[int, ...]
    verification: int
    host_roots: bool
    roots: tuple[bytes, ...]
    client: tuple[bytes, ...]
    key: bytes
    alpn: tuple[bytes, ...]
    checks: int = 0


def pack_fields(fields: tuple[tuple[str, str], ...]) -> bytes:
    parts = [struct.pack("<H", len(fields))]
    for key, text in fields:
        name, value = key.encode(), text.encode("latin-1")
        parts += [struct.pack("<HI", len(name), len(value)), name, value]
    return b"".join(parts)


class _Payload:
    """Parses a frame's payload; anything that does not fit is a bad frame."""

    def __init__(self, data: bytes) -> None:
        self.data = data

    def take(self, count: int) -> bytes:
        if count > len(self.data):
            raise Failure(BAD_FRAME)
        piece, self.data = self.data[:count], self.data[count:]
        return piece

    def number(self, size: int) -> int:
        return int.from_bytes(self.take(size), "little")

    def certificates(self) -> tuple[bytes, ...]:
        return tuple(self.take(self.number(4)) for _ in range(self.number(2)))


def parse_tls_settings(arg: int, data: bytes) -> TlsSettings:
    """The `start-tls` frame."""
    payload = _Payload(data)
    name = payload.take(payload.number(2)).decode()
    protocols, alpn = _Payload(payload.take(payload.number(2))), []
    while protocols.data:
        alpn.append(protocols.take(protocols.number(1)))
    roots, client = payload.certificates(), payload.certificates()
    key = payload.take(payload.number(4))
    if (
        payload.data
        or arg > 127
        or (arg & 24) == 24
        or arg & 3 == 3
        or not all(alpn)
        or bool(client) != bool(key)
    ):
        raise Failure(BAD_FRAME)
    versions = ((0x0303, 0x0304), (0x0303,), (0x0304,))[arg >> 3 & 3]
    trust = (arg & 3, bool(arg & 4), roots, client, key)
    return TlsSettings(name, versions, *trust, tuple(alpn), arg & ~31)
