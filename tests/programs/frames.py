"""The control channel as ``adapter/FRAMES.md`` describes it, used without the shim."""

from __future__ import annotations

import dataclasses
import os
import struct

CHANNEL = -2  # 0xFFFFFFFE as a C int, CPython's type of an fd
# Generated from adapter/frames.toml by `cargo run -p xtask -- frames`: the numbers.
CONNECT = 1
STATUS = 2
START_TLS = 3
TLS_INFO = 4
REQUEST = 5
WRITE = 6
FINISH = 7
HEAD = 8
READ = 9
POLL = 10
CLOSE = 11
RESOLVE = 12

OK = 0
PENDING = 1
ERROR = 2

PHASE = 1
READABLE = 2
WRITABLE = 4
# End of what is generated.

# How a `start-tls` verifies the server's certificate.
UNVERIFIED, VERIFIED, NAME_UNCHECKED, HOST_ROOTS = 0, 1, 2, 4
FOREVER = 0xFFFFFFFFFFFFFFFF


@dataclasses.dataclass(frozen=True)
class Reply:
    """One reply."""

    status: int
    code: int
    value: int
    payload: bytes

    @property
    def outcome(self) -> str:
        """``ok``, ``pending`` or the error's number."""
        return {OK: "ok", PENDING: "pending"}.get(self.status, f"error {self.code}")


def frame(
    command: int,
    handle: int = 0,
    arg: int = 0,
    payload: bytes = b"",
    *,
    version: int = 1,
    flags: int = 0,
    length: int | None = None,
) -> bytes:
    """Build a frame; the caller decides what is wrong with it."""
    announced = len(payload) if length is None else length
    return struct.pack("<BBHIII", version, command, flags, handle, arg, announced) + payload


def send(*buffers: bytes) -> None:
    """Write the buffers as one frame."""
    # One write is one frame, and this CPython has no `os.writev`.
    written = os.write(CHANNEL, b"".join(buffers))
    expected = sum(len(buffer) for buffer in buffers)
    if written != expected:
        raise AssertionError(f"{written} of {expected} bytes of a frame written")


def receive(size: int = 65536) -> Reply:
    """Read one reply to its end."""
    data = b""
    while piece := os.read(CHANNEL, size):
        data += piece
    version, status, code, _, value, _, length = struct.unpack_from("<BBBBIII", data)
    payload = data[16:]
    if version != 1 or length != len(payload) or status not in (OK, PENDING, ERROR):
        raise AssertionError(f"a malformed reply: {data[:64]!r}")
    return Reply(status, code, value, payload)


def call(command: int, handle: int = 0, arg: int = 0, payload: bytes = b"") -> Reply:
    """Send a frame and read its reply."""
    send(frame(command, handle, arg, payload))
    return receive()


def wait(handle: int, interest: int) -> None:
    """Block until one of the interests is ready."""
    entry = struct.pack("<QIBxxx", FOREVER, handle, interest)
    reply = call(POLL, payload=entry)
    if reply.status != OK:
        raise AssertionError(f"poll: {reply.outcome}")


def finished(command: int, handle: int, arg: int, interest: int) -> Reply:
    """The reply to a command, after a wait if necessary."""
    while (reply := call(command, handle, arg)).status == PENDING:
        wait(handle, interest)
    return reply


def connect_payload(host: str | bytes, timeout: int = 0) -> bytes:
    """The payload of a connect."""
    name = host if isinstance(host, bytes) else host.encode()
    return struct.pack("<Q", timeout) + name


def request_payload(
    path: bytes = b"/get",
    method: bytes = b"GET",
    fields: tuple[tuple[bytes, bytes], ...] = (),
    size: int = 0,
) -> bytes:
    """The payload of a request."""
    parts = [struct.pack("<QH", size, len(method)), method, struct.pack("<I", len(path)), path]
    parts.append(struct.pack("<H", len(fields)))
    for name, value in fields:
        parts += [struct.pack("<HI", len(name), len(value)), name, value]
    return b"".join(parts)


def tls_payload(
    name: bytes = b"",
    alpn: bytes = b"",
    roots: tuple[bytes, ...] = (),
    certificates: tuple[bytes, ...] = (),
    key: bytes = b"",
) -> bytes:
    """The payload of a start-tls."""
    parts = [struct.pack("<H", len(name)), name, struct.pack("<H", len(alpn)), alpn]
    for ders in (roots, certificates):
        parts.append(struct.pack("<H", len(ders)))
        parts += [struct.pack("<I", len(der)) + der for der in ders]
    return b"".join([*parts, struct.pack("<I", len(key)), key])


def opened(host: str, port: int) -> int:
    """The id of an established connection."""
    reply = call(CONNECT, 0, port, connect_payload(host))
    if reply.status != OK:
        raise AssertionError(f"connect: {reply.outcome}")
    status = finished(STATUS, reply.value, 0, PHASE)
    if status.status != OK:
        raise AssertionError(f"status: {status.outcome}")
    return reply.value


def requested(connection: int, path: bytes = b"/get", kind: int = 0, size: int = 0) -> int:
    """The id of an exchange: a GET, or a POST if there is a body."""
    payload = request_payload(path, b"POST" if kind else b"GET", size=size)
    reply = call(REQUEST, connection, kind, payload)
    if reply.status != OK:
        raise AssertionError(f"request: {reply.outcome}")
    return reply.value


def body_of(exchange: int) -> bytes:
    """The response's body up to its complete end."""
    body = b""
    while True:
        reply = finished(READ, exchange, 65536, READABLE)
        if reply.status != OK:
            raise AssertionError(f"read: {reply.outcome}")
        if not reply.payload:
            return body
        body += reply.payload


def status_of(exchange: int) -> int:
    """The status code in the response head."""
    head = finished(HEAD, exchange, 0, PHASE)
    if head.status != OK:
        raise AssertionError(f"head: {head.outcome}")
    code: int = struct.unpack_from("<H", head.payload)[0]
    return code


def good_request(host: str, port: int) -> bool:
    """Whether the channel still sends a request, with its body intact."""
    connection = opened(host, port)
    exchange = requested(connection, b"/all-bytes")
    good = status_of(exchange) == 200 and body_of(exchange) == bytes(range(256))
    closed = [call(CLOSE, handle).outcome for handle in (exchange, connection)]
    return good and closed == ["ok", "ok"]
