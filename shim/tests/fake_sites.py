"""The servers behind the tests' host: how they answer, and what they received."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from fake_frames import Failure, Wait

if TYPE_CHECKING:
    from fake_host import FakeConnection


@dataclass
class Answer:
    """A site's answer to one request."""

    status: int = 200
    fields: tuple[tuple[str, str], ...] = ()
    body: Iterable[bytes | Wait | Failure] = ()
    version: int = 11
    reason: bytes | None = None
    """By default the status's own; HTTP/2 has none."""
    before: list[Wait | Failure] = field(default_factory=list)
    trailers: tuple[tuple[str, str], ...] = ()
    unframed: list[bytes | Wait | Failure] = field(default_factory=list)
    """The bytes instead of a response, after a failure in `before`."""


@dataclass
class Seen:
    """A request as the host received it."""

    connection: FakeConnection
    method: str
    path: str
    fields: list[tuple[str, str]]
    kind: int
    size: int
    body: bytearray = field(default_factory=bytearray)
    finished: bool = False


@dataclass
class Tls:
    """The result of a site's TLS handshake, or its failure."""

    version: int = 0x0304
    cipher: str = "TLS_AES_128_GCM_SHA256"
    alpn: bytes = b""
    certificates: tuple[bytes, ...] = ()
    script: list[Wait | Failure] = field(default_factory=list)
    refusal: Failure | None = None
    not_granted: tuple[int, ...] = ()
    """The kinds of verification that the policy does not grant."""


@dataclass
class Site:
    """A server. With `early` it answers before it has the request's body."""

    handler: Callable[[Seen], Answer] = lambda _seen: Answer()
    connect: list[Wait | Failure] = field(default_factory=list)
    denied: Failure | None = None
    tls: Tls = field(default_factory=Tls)
    early: bool = False
    continues: bool = True
    """Whether it answers `Expect: 100-continue` with `100 Continue`."""
    window: int | None = None
    """How many bytes of a body are taken between two polls; `None` for any."""
    write_failure: tuple[int, Failure] | None = None
    """After how many bytes of a body writing fails, and how."""
    request_failures: list[Failure] = field(default_factory=list)
