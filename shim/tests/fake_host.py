"""A host for the tests: it speaks the frames of `adapter/FRAMES.md`, and checks them strictly.

The answers of a site are scripted, so that every order of events can be tested without threads and
without time. `WAIT` in a script means: pending until the next poll.
"""

import contextlib
import struct
import time
from collections.abc import Callable
from typing import TypeVar

from fake_exchange import FakeConnection, FakeExchange, FakeLookup
from fake_frames import (
    BAD_COMMAND,
    BAD_FRAME,
    BAD_HANDLE,
    BAD_VERSION,
    CLOSED,
    CLOSED_TOO,
    ERROR,
    FOREVER,
    FRAME,
    INVALID,
    LAST,
    MAX_PAYLOAD,
    MAX_READ,
    OK,
    PENDING,
    REPLY,
    WAIT,
    WHOLE,
    Failure,
    Pending,
    TlsSettings,
    Wait,
    parse_tls_settings,
)
from fake_sites import Answer, Seen, Site, Tls

__all__ = ["WAIT", "Answer", "Failure", "FakeHost", "Seen", "Site", "Tls", "TlsSettings"]

Result = TypeVar("Result")

_PATIENCE = 5  # how many `WAIT`s a poll outlasts


class FakeHost:
    """A transport whose other end is this object."""

    def __init__(self, sites: dict[tuple[str, int], Site] | None = None) -> None:
        self.sites = sites or {}
        self.frames: list[int] = []
        self.crossings: list[int | str] = []
        """The frames, and the moves of bodies without one."""
        self.seen: list[Seen] = []
        self.connections: list[FakeConnection] = []
        self.handles: dict[int, FakeConnection | FakeExchange | FakeLookup] = {}
        self.lookups: list[str] = []
        self.names: dict[str, list[Wait | Failure]] = {}
        """How a lookup of each name ends; a name without an entry succeeds at once."""
        self.addresses: dict[str, list[str]] = {}
        """The addresses that are disclosed for a name."""
        self.piece: int | None = None
        """The most bytes that one read returns; `None` for any number."""
        self._last = 0
        self._reply = memoryview(b"")

    @property
    def open_handles(self) -> int:
        return len(self.handles)

    # The transport.

    def write(self, header: bytes, payload: bytes | memoryview) -> None:
        data = bytes(payload)
        status, code, detail, value, body = OK, 0, 0, 0, b""
        try:
            value, body = self._frame(bytes(header), data)
        except Pending as pending:
            status, value = PENDING, pending.value
        except Failure as failure:
            status, code, detail, body = ERROR, failure.code, failure.detail, failure.payload()
            failure.__traceback__ = None  # or a script would keep the shim's buffers with it
        reply = REPLY.pack(1, status, code, detail, value, 0, len(body)) + body
        self._reply = memoryview(reply)

    def read_into(self, view: memoryview) -> int:
        count = min(len(view), len(self._reply))
        if self.piece is not None:
            count = min(count, self.piece)
        view[:count] = self._reply[:count]
        self._reply = self._reply[count:]
        return count

    # The commands.

    def _frame(self, header: bytes, payload: bytes) -> tuple[int, bytes]:
        version, command, flags, handle, arg, length = FRAME.unpack(header)
        if version != 1:
            raise Failure(BAD_VERSION)
        if flags or length != len(payload):
            raise Failure(BAD_FRAME)
        if command != 6 and length > MAX_PAYLOAD:
            raise Failure(133)
        self.frames.append(command)
        self.crossings.append(command)
        commands = {
            1: self._connect,
            2: self._status,
            3: self._start_tls,
            4: self._tls_info,
            5: self._request,
            6: self._write,
            7: self._finish,
            8: self._head,
            9: self._read,
            10: self._poll,
            11: self._close,
            12: self._resolve,
        }
        if command not in commands:
            raise Failure(BAD_COMMAND)
        try:
            return commands[command](handle, arg, payload)
        except struct.error:
            raise Failure(BAD_FRAME) from None

    def _add(self, thing: FakeConnection | FakeExchange | FakeLookup) -> int:
        self._last += 1
        self.handles[self._last] = thing
        return self._last

    def _connection(self, handle: int) -> FakeConnection:
        found = self.handles.get(handle)
        if not isinstance(found, FakeConnection):
            raise Failure(BAD_HANDLE)
        return found

    def _exchange(self, handle: int) -> FakeExchange:
        found = self.handles.get(handle)
        if not isinstance(found, FakeExchange):
            raise Failure(BAD_HANDLE)
        if found.connection.closed:
            raise Failure(CLOSED)
        return found

    def _connect(self, handle: int, arg: int, payload: bytes) -> tuple[int, bytes]:
        (timeout,) = struct.unpack_from("<Q", payload)
        host = payload[8:].decode()
        if handle or not 0 < arg < 0x10000 or not host:
            raise Failure(INVALID, text="no host or port")
        site = self.sites.get((host, arg))
        if site is None:
            text = f"{host}:{arg} is not allowed"
            raise Failure(1, 0, text, b"default-deny")
        if site.denied is not None:
            raise site.denied
        connection = FakeConnection(host, arg, timeout, site, list(site.connect))
        self.connections.append(connection)
        return self._add(connection), b""

    def _resolve(self, handle: int, arg: int, payload: bytes) -> tuple[int, bytes]:
        if handle or arg or not payload:
            raise Failure(BAD_FRAME)
        name = payload.decode()
        self.lookups.append(name)
        return self._add(
            FakeLookup(list(self.names.get(name, [])), self.addresses.get(name.lower(), []))
        ), b""

    def _status(self, handle: int, _arg: int, _payload: bytes) -> tuple[int, bytes]:
        thing = self.handles.get(handle)
        if isinstance(thing, FakeLookup):
            return 0, thing.status()
        self._connection(handle).status()
        return 0, b""

    def _start_tls(self, handle: int, arg: int, payload: bytes) -> tuple[int, bytes]:
        connection = self._connection(handle)
        connection.status()
        if connection.tls or connection.requests:
            raise Failure(INVALID, text="too late for TLS")
        settings = parse_tls_settings(arg, payload)
        connection.tls_settings = settings
        tls = connection.site.tls
        if tls.refusal is not None:
            raise tls.refusal
        if settings.verification in tls.not_granted:
            raise Failure(1, 3, f"grant 'verification {settings.verification}'", b"default-deny")
        if settings.server_name not in ("", connection.host):
            raise Failure(1, 2, "the server name is not the connection's host", b"rule-1")
        connection.tls = True
        connection.script = list(tls.script)
        return 0, b""

    def _tls_info(self, handle: int, _arg: int, _payload: bytes) -> tuple[int, bytes]:
        connection = self._connection(handle)
        if not connection.tls:
            raise Failure(CLOSED)
        tls = connection.site.tls
        offered = connection.tls_settings.alpn if connection.tls_settings is not None else ()
        alpn = tls.alpn if tls.alpn in offered else b""
        cipher = tls.cipher.encode()
        parts = [struct.pack("<HB", tls.version, len(cipher)), cipher]
        parts += [bytes((len(alpn),)), alpn, struct.pack("<H", len(tls.certificates))]
        parts += [struct.pack("<I", len(der)) + der for der in tls.certificates]
        return 0, b"".join(parts)

    def _request(self, handle: int, arg: int, payload: bytes) -> tuple[int, bytes]:
        connection = self._connection(handle)
        connection.status()
        before = connection.exchange
        if before is not None and not before.ended:
            raise Failure(INVALID, text="the exchange before is not over")
        if connection.site.request_failures:
            raise connection.site.request_failures.pop(0)
        seen, body = self._parse_request(connection, arg, payload)
        self._check_framing(seen)
        connection.requests += 1
        self.seen.append(seen)
        connection.exchange = exchange = FakeExchange(connection, seen)
        handle = self._add(exchange)
        if not arg & WHOLE:
            return handle, b""
        taken = 0
        with contextlib.suppress(Failure, Pending):
            taken = exchange.write(body)
        if taken == len(body):
            exchange.finish()
        return handle, struct.pack("<I", taken)

    @staticmethod
    def _parse_request(connection: FakeConnection, kind: int, payload: bytes) -> tuple[Seen, bytes]:
        size, length = struct.unpack_from("<QH", payload)
        at = 10 + length
        method = payload[10:at].decode()
        (length,) = struct.unpack_from("<I", payload, at)
        path = payload[at + 4 : at + 4 + length].decode()
        at += 4 + length
        (count,) = struct.unpack_from("<H", payload, at)
        at += 2
        fields = []
        for _ in range(count):
            name_length, value_length = struct.unpack_from("<HI", payload, at)
            at += 6
            middle, end = at + name_length, at + name_length + value_length
            name, value = payload[at:middle].decode(), payload[middle:end].decode("latin-1")
            fields.append((name, value))
            at = end
        seen = Seen(connection, method, path, fields, kind & ~WHOLE, size)
        body = payload[at:]
        if seen.kind > 2 or (size and seen.kind != 1):
            raise Failure(BAD_FRAME)
        if (body and not kind & WHOLE) or (kind & WHOLE and not seen.kind):
            raise Failure(BAD_FRAME)
        return seen, body

    @staticmethod
    def _check_framing(seen: Seen) -> None:
        """Refuses what the host would: framing fields that contradict the body's kind."""
        names = [name.lower() for name, _ in seen.fields]
        known = {
            "content-length": [] if seen.kind != 1 else [str(seen.size)],
            "transfer-encoding": [] if seen.kind != 2 else ["chunked"],
            "connection": ["close", "keep-alive"],
        }
        for name, value in seen.fields:
            allowed = known.get(name.lower())
            if allowed is not None and (
                value.lower() not in allowed or names.count(name.lower()) > 1
            ):
                raise Failure(INVALID, text=f"{name} is the host's to send")

    def _write(self, handle: int, arg: int, payload: bytes) -> tuple[int, bytes]:
        if arg not in (0, WHOLE):
            raise Failure(BAD_FRAME)
        exchange = self._exchange(handle)
        taken = exchange.write(payload)
        if arg and taken == len(payload):
            exchange.finish()
        return taken, b""

    def _finish(self, handle: int, _arg: int, _payload: bytes) -> tuple[int, bytes]:
        self._exchange(handle).finish()
        return 0, b""

    def _head(self, handle: int, arg: int, payload: bytes) -> tuple[int, bytes]:
        exchange = self._exchange(handle)
        if not payload:
            if arg:
                raise Failure(BAD_FRAME)
            return 0, exchange.head()
        head = self._waited(handle, 1, payload, exchange.head)
        value, body = self._taken(handle, min(arg, MAX_READ))
        return value, struct.pack("<I", len(head)) + head + body

    def _read(self, handle: int, arg: int, payload: bytes) -> tuple[int, bytes]:
        if not arg:
            raise Failure(BAD_FRAME)
        exchange = self._exchange(handle)
        most = min(arg, MAX_READ)
        if not payload:
            return exchange.read(most)

        def read() -> tuple[int, bytes]:
            value, body = self._taken(handle, most)
            if body:
                return value, body
            value, body = exchange.read(most)
            return value | self._closed(handle), body

        return self._waited(handle, 2, payload, read)

    def _taken(self, handle: int, most: int) -> tuple[int, bytes]:
        """What is there of a body, and what the reply's `value` says of its end."""
        exchange, body, value = self._exchange(handle), b"", 0
        try:
            while len(body) < most:
                end, piece = exchange.read(most - len(body))
                body += piece if not end else b""
                if end:
                    if not piece:
                        value = LAST
                    break
        except (Failure, Pending) as stop:
            stop.__traceback__ = None  # or a script would keep the shim's buffers with it
        if value and (body or exchange.head_just_given):
            value |= self._closed(handle)
        exchange.head_just_given = False
        return value, body

    def _closed(self, handle: int) -> int:
        """Closes the exchange if its request is over, too."""
        exchange = self._exchange(handle)
        if exchange.seen.kind and not exchange.seen.finished:
            return 0
        self._close(handle, 0, b"")
        return CLOSED_TOO

    def _waited(
        self, handle: int, interest: int, payload: bytes, call: Callable[[], Result]
    ) -> Result:
        (timeout,) = struct.unpack("<Q", payload)
        try:
            return call()
        except Pending as pending:
            if not timeout or pending.value:
                raise
        self._poll(0, 0, payload + struct.pack("<IBxxx", handle, interest))
        return call()

    # Bodies without frames.

    def take(self, handle: int, view: memoryview) -> int:
        self.crossings.append("take")
        try:
            end, piece = self._exchange(handle).read(min(len(view), MAX_READ))
        except Pending:
            return -1
        except Failure as failure:
            failure.__traceback__ = None
            return 0
        if end:
            return 0
        view[: len(piece)] = piece
        return len(piece)

    def put(self, handle: int, data: memoryview) -> int:
        self.crossings.append("put")
        try:
            return self._exchange(handle).write(bytes(data))
        except Pending:
            return -1
        except Failure as failure:
            failure.__traceback__ = None
            return 0

    def _poll(self, _handle: int, _arg: int, payload: bytes) -> tuple[int, bytes]:
        (timeout,) = struct.unpack_from("<Q", payload)
        entries = [struct.unpack_from("<IBxxx", payload, at) for at in range(8, len(payload), 8)]
        if len(entries) > 4096 or (timeout == FOREVER and not entries):
            raise Failure(BAD_FRAME)
        found = self._look(entries)
        if timeout and not any(found):
            for _ in range(_PATIENCE):
                for handle, _ in entries:
                    self._tick(handle)
                found = self._look(entries)
                if any(found):
                    break
            else:
                if timeout == FOREVER:
                    raise AssertionError("the shim would wait for ever")
                time.sleep(timeout / 1e9)
        return sum(map(bool, found)), bytes(found)

    def _look(self, entries: list[tuple[int, int]]) -> list[int]:
        return [self._ready(handle, interest) & interest for handle, interest in entries]

    def _ready(self, handle: int, interest: int) -> int:
        thing = self.handles.get(handle)
        if thing is None or (not isinstance(thing, FakeExchange) and interest != 1):
            raise Failure(BAD_HANDLE)
        if not interest or interest > 7:
            raise Failure(BAD_FRAME)
        if isinstance(thing, FakeExchange):
            return 7 if thing.connection.closed else thing.ready()
        return 0 if thing.script and isinstance(thing.script[0], Wait) else 1

    def _tick(self, handle: int) -> None:
        thing = self.handles[handle]
        if isinstance(thing, FakeExchange):
            thing.tick()
        elif thing.script and isinstance(thing.script[0], Wait):
            thing.script.pop(0)

    def _close(self, handle: int, _arg: int, _payload: bytes) -> tuple[int, bytes]:
        thing = self.handles.pop(handle, None)
        if thing is None:
            raise Failure(BAD_HANDLE)
        if isinstance(thing, FakeConnection):
            thing.closed = True
        elif isinstance(thing, FakeExchange):
            thing.ended = True
        return 0, b""
