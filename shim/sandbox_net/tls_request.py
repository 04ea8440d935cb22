"""The settings that a program requests for a TLS session, as the host's `start-tls` takes them."""

import struct
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

# Which parts of the peer's certificate are verified: `types.verification`.
UNVERIFIED: Final = 0
VERIFIED: Final = 1
NAME_UNCHECKED: Final = 2

VERIFICATION: Final = 3  # the bits of this field
_HOST_ROOTS: Final = 4

# `types.chain-checks`.
STRICT: Final = 32
PARTIAL_CHAIN: Final = 64

# A single version of TLS: `types.tls-versions`.
_ALONE: Final[dict[tuple[int, ...], int]] = {(0x0303,): 8, (0x0304,): 16}


@dataclass(frozen=True, slots=True)
class ClientCertificate:
    """A certificate of the program's own, in DER."""

    certificates: tuple[bytes, ...]
    """The program's own first, then the intermediates."""
    key: bytes


@dataclass(frozen=True, slots=True)
class TlsRequest:
    """The settings of one session."""

    server_name: str
    versions: tuple[int, ...]
    """The accepted ones, as TLS numbers them (RFC 8446 section 4.2.1); not empty."""
    verification: int
    host_roots: bool
    """Whether the host's own roots are trusted, too."""
    roots: tuple[bytes, ...]
    """Additional roots, in DER."""
    client: ClientCertificate | None
    alpn: tuple[bytes, ...]
    checks: int = 0
    """Checks of the peer's chain: `STRICT` and others, in one number."""

    @property
    def settings(self) -> int:
        """Returns the `arg` of the frame."""
        roots = _HOST_ROOTS if self.host_roots else 0
        return _ALONE.get(self.versions, 0) | roots | self.checks | self.verification

    def payload(self) -> bytes:
        """Returns the payload of the frame."""
        name = self.server_name.encode("utf-8")
        alpn = b"".join(bytes((len(protocol),)) + protocol for protocol in self.alpn)
        certificates = self.client.certificates if self.client is not None else ()
        key = self.client.key if self.client is not None else b""
        return b"".join(
            (
                struct.pack("<H", len(name)),
                name,
                struct.pack("<H", len(alpn)),
                alpn,
                _certificates(self.roots),
                _certificates(certificates),
                struct.pack("<I", len(key)),
                key,
            )
        )


def _certificates(ders: Iterable[bytes]) -> bytes:
    items = list(ders)
    parts = [struct.pack("<H", len(items))]
    for der in items:
        parts += (struct.pack("<I", len(der)), der)
    return b"".join(parts)


def with_name_checked(settings: int) -> int:
    """Returns the same settings with the name verified too, if only that is off."""
    if settings & VERIFICATION != NAME_UNCHECKED:
        return settings
    return settings & ~VERIFICATION | VERIFIED
