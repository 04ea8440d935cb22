"""What the fake host holds for a program: connections, lookups and exchanges."""

import ipaddress
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from http import HTTPStatus

from fake_frames import (
    CLOSED,
    INVALID,
    WAIT,
    Failure,
    Pending,
    TlsSettings,
    Wait,
    pack_fields,
)
from fake_sites import Answer, Seen, Site


@dataclass
class FakeConnection:
    host: str
    port: int
    timeout: int
    site: Site
    script: list[Wait | Failure]
    tls_settings: "TlsSettings | None" = None
    tls: bool = False
    closed: bool = False
    failure: Failure | None = None
    exchange: "FakeExchange | None" = None
    requests: int = 0

    def status(self) -> None:
        if self.failure is not None:
            raise self.failure
        step = self.script[0] if self.script else None
        if isinstance(step, Wait):
            raise Pending
        if isinstance(step, Failure):
            self.failure = step
            raise step


@dataclass
class FakeLookup:
    script: list[Wait | Failure]
    addresses: list[str]

    def status(self) -> bytes:
        step = self.script[0] if self.script else None
        if isinstance(step, Wait):
            raise Pending
        if isinstance(step, Failure):
            raise step
        packed = [ipaddress.ip_address(address).packed for address in self.addresses]
        return b"".join(bytes((len(one),)) + one for one in packed)


class FakeExchange:
    def __init__(self, connection: FakeConnection, seen: Seen) -> None:
        self.connection = connection
        self.site = connection.site
        self.seen = seen
        self.room = self.site.window
        self.failure: Failure | None = None
        self.answer: Answer | None = None
        self.body: Iterator[bytes | Wait | Failure] = iter(())
        self.next: bytes | Wait | Failure | None = None
        self.head_given = False
        self.head_just_given = False
        self.head_failed = False
        self.ended = False
        expect = ("Expect", "100-continue") in seen.fields
        self.asks_for_body = expect and self.site.continues
        if seen.kind == 0 or self.site.early:
            self.respond()

    def respond(self) -> None:
        if self.answer is None:
            self.answer = self.site.handler(self.seen)

    def write(self, data: bytes) -> int:
        seen = self.seen
        if seen.kind == 0 or seen.finished:
            raise Failure(CLOSED)
        if self.failure is not None:
            raise self.failure
        if not data:
            return 0
        if self.room == 0:
            raise Pending
        count = len(data) if self.room is None else min(self.room, len(data))
        if self.room is not None:
            self.room -= count
        seen.body += data[:count]
        if self.site.write_failure is not None and len(seen.body) > self.site.write_failure[0]:
            self.failure = self.site.write_failure[1]
            raise self.failure
        if seen.kind == 1 and len(seen.body) > seen.size:
            raise Failure(INVALID, text="more bytes than announced")
        return count

    def finish(self) -> None:
        seen = self.seen
        if seen.kind == 0:
            raise Failure(INVALID, text="no body")
        if seen.finished:
            raise Failure(CLOSED)
        if seen.kind == 1 and len(seen.body) != seen.size:
            raise Failure(INVALID, text="fewer bytes than announced")
        seen.finished = True
        self.respond()

    def head(self) -> bytes:
        if self.answer is None:
            if self.failure is not None:
                raise self.failure
            asks, self.asks_for_body = self.asks_for_body, False
            raise Pending(int(asks))
        if self.head_given:
            raise Failure(CLOSED)
        answer = self.answer
        if answer.before:
            if isinstance(answer.before[0], Wait):
                raise Pending
            self.head_given = bool(answer.unframed)
            self.head_failed = not self.head_given
            self.body = iter(answer.unframed)
            raise answer.before[0]
        self.head_given = self.head_just_given = True
        self.body = iter(() if self.seen.method == "HEAD" else answer.body)
        reason = answer.reason
        if reason is None:
            reason = b"" if answer.version == 20 else HTTPStatus(answer.status).phrase.encode()
        head = struct.pack("<HBxH", answer.status, answer.version, len(reason))
        return head + reason + pack_fields(answer.fields)

    def read(self, most: int) -> tuple[int, bytes]:
        if self.head_failed:
            raise Failure(CLOSED)
        if not self.head_given:
            raise Failure(INVALID, text="the head was not read")
        if self.next is None:
            self.next = next(self.body, b"")
        step = self.next
        if isinstance(step, Wait):
            raise Pending
        if isinstance(step, Failure):
            raise step
        if not step:
            self.ended = True
            trailers = self.answer.trailers if self.answer is not None else ()
            return 1, pack_fields(trailers) if trailers else b""
        self.next = step[most:] or None
        return 0, step[:most]

    def ready(self) -> int:
        if self.head_given and self.next is None:
            self.next = next(self.body, b"")
        found = 0
        if self.failure is not None and self.answer is None:
            return 7
        if self.answer is not None and not (
            self.answer.before and isinstance(self.answer.before[0], Wait)
        ):
            found |= 1
        found |= self.asks_for_body
        if not self.head_given or not isinstance(self.next, Wait):
            found |= 2
        if self.room != 0 or self.seen.finished or self.failure is not None:
            found |= 4
        return found

    def tick(self) -> None:
        if self.answer is not None and self.answer.before and self.answer.before[0] is WAIT:
            self.answer.before.pop(0)
        if isinstance(self.next, Wait):
            self.next = None
        if self.room == 0:
            self.room = self.site.window
