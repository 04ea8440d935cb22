"""What the host does: connections, requests and responses over Python's own sockets, in threads.

Nothing here knows of WebAssembly. A thread for each thing that blocks changes its state under
`CHANGED`, and whoever waits is told.
"""

from __future__ import annotations

import contextlib
import ipaddress
import re
import socket
import ssl
import threading
from collections.abc import Callable
from typing import Any, BinaryIO, NamedTuple

CHANGED = threading.Condition(threading.RLock())
"""Guards all state, and is notified when some of it changed."""

BUFFER = 64 * 1024
"""The most bytes of a body, in each direction, that are held for the guest."""
HEAD = 256 * 1024
"""The most bytes of a head."""

TOKEN = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
PATH = re.compile(rb"/[!\"$-~]*")
VALUE = re.compile(rb"[\t \x21-\x7e\x80-\xff]*")
NAME = re.compile(r"(?:[a-z0-9](?:[a-z0-9-]*[a-z0-9])?\.)*[a-z0-9](?:[a-z0-9-]*[a-z0-9])?")
OWN_FIELDS = {b"upgrade", b"proxy-authorization", b"proxy-connection", b"te", b"keep-alive"}

Field = tuple[bytes, bytes]


class Failure(Exception):
    """An `error-code`: its case and what that carries."""

    def __init__(self, case: str, payload: Any = None) -> None:
        super().__init__(case, payload)
        self.case, self.payload = case, payload


def invalid(why: str) -> Failure:
    return Failure("invalid", why)


def denied(reason: str, rule: str, message: str) -> Failure:
    return Failure("denied", {"reason": reason, "rule": rule, "message": message})


def protocol(message: str) -> Failure:
    return Failure("protocol", {"message": message, "received": b""})


def limit(name: str, value: int) -> Failure:
    return Failure("limit", {"limit": name, "value": value, "can_be_raised": False})


CERTIFICATE_FAULTS = {10: "expired", 9: "not-yet-valid", 18: "self-signed", 62: "name-mismatch"}
CERTIFICATE_FAULTS |= {64: "name-mismatch", 19: "self-signed-in-chain", 20: "unknown-issuer"}


def failure_of(error: OSError, phase: str) -> Failure:
    """What an error of a socket is in the interface's terms."""
    match error:
        case TimeoutError():
            return Failure("timeout", phase)
        case ConnectionRefusedError():
            return Failure("refused")
        case socket.gaierror():
            is_unknown = error.errno in (socket.EAI_NONAME, getattr(socket, "EAI_NODATA", None))
            return Failure("dns", "not-found" if is_unknown else "temporary")
        case ssl.SSLCertVerificationError():
            fault = CERTIFICATE_FAULTS.get(error.verify_code, "other")
            return Failure("tls", ("certificate", (fault, error.verify_message)))
        case ssl.SSLError():
            return Failure("tls", ("other", str(error)))
        case _:
            return Failure("reset" if phase != "connect" else "unreachable")


class Policy(NamedTuple):
    """What is allowed: servers such as `https://127.0.0.1:8443`, and the bounds."""

    allowed: frozenset[str]
    trusted: str | None
    deadline: float
    connections: int

    def check_host(self, host: str) -> None:
        if not any(rule.split("://")[1].rpartition(":")[0] == host for rule in self.allowed):
            raise denied("no-rule", "default-deny", f"this host denied {host}: allow it first")

    def check(self, schemes: tuple[str, ...], host: str, port: int) -> None:
        place = f"{host}:{port}"
        if not any(f"{scheme}://{place}" in self.allowed for scheme in schemes):
            raise denied("no-rule", "default-deny", f"this host denied {place}: allow it first")


def parse_host(text: str) -> str:
    """The one reading of a host; `invalid` if there is none, or another."""
    host = text.lower()
    with contextlib.suppress(ValueError):
        return str(ipaddress.ip_address(host))
    # What ends with a number is an address to some readers.
    if not NAME.fullmatch(host) or host.rpartition(".")[2][0].isdigit():
        raise invalid(f"'{text}' is no host")
    return host


def in_thread(work: Callable[[], None]) -> None:
    threading.Thread(target=work, daemon=True).start()


class Job:
    """Something that ends: `none` while it goes on, then how it ended."""

    def __init__(self) -> None:
        self.is_over = False
        self.failure: Failure | None = None

    def end(self, failure: Failure | None = None) -> None:
        with CHANGED:
            if not self.is_over:
                self.is_over, self.failure = True, failure
            CHANGED.notify_all()

    def run(self, work: Callable[[], None], phase: str) -> None:
        """Does the work in a thread; an error of a socket ends the job."""

        def run() -> None:
            try:
                work()
            except OSError as error:
                self.end(failure_of(error, phase))
            else:
                self.end()

        in_thread(run)


class Lookup(Job):
    """Whether a name leads anywhere."""

    def __init__(self, policy: Policy, host: str) -> None:
        super().__init__()
        name = parse_host(host)
        policy.check_host(name)
        self.run(lambda: self.ask(name), "resolve")

    def ask(self, name: str) -> None:
        socket.getaddrinfo(name, None)


class Connection:
    """One host and port, and the socket to it."""

    def __init__(self, policy: Policy, host: str, port: int, timeout: int | None) -> None:
        self.host = parse_host(host)
        if port == 0:
            raise invalid("port 0 is none")
        policy.check(("http", "https"), self.host, port)
        self.policy, self.port = policy, port
        self.socket: socket.socket | None = None
        self.is_closed = self.is_tls = self.is_used = False
        self.exchange: Exchange | None = None
        self.offered: list[bytes] = []
        self.phase = Job()
        seconds = policy.deadline if timeout is None else min(timeout / 1e9, policy.deadline)
        self.phase.run(lambda: self.dial(seconds), "connect")

    def dial(self, seconds: float) -> None:
        # Short buffers, so that a peer that does not read is felt.
        made = socket.create_connection((self.host, self.port), seconds)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, BUFFER)
        made.settimeout(self.policy.deadline)
        with CHANGED:
            self.socket = made
            is_closed = self.is_closed
        if is_closed:
            self.close()

    def established(self) -> socket.socket:
        if self.is_closed:
            raise Failure("closed")
        if not self.phase.is_over:
            raise invalid("the phase is not over")
        if self.phase.failure:
            raise self.phase.failure
        assert self.socket
        return self.socket

    def start_tls(self, name: str, options: dict[str, Any]) -> None:
        plain = self.established()
        if self.is_tls or self.is_used:
            raise invalid("TLS begins once, and before the first request")
        if any(not 0 < len(protocol) < 256 for protocol in options["alpn"]):
            raise invalid("a protocol's name does not fit")
        if name and parse_host(name) != self.host:
            raise denied("host-mismatch", "host", "the server name is not the connection's host")
        self.policy.check(("https",), self.host, self.port)
        is_unusual = options["verification"] != "full" or options["roots"]
        if is_unusual or not options["host-roots"] or options["client-certificate"]:
            raise denied("tls-options", "tls", "this host grants no setting of TLS")
        context = ssl.create_default_context(cafile=self.policy.trusted)
        if options["versions"] == "v12":
            context.maximum_version = ssl.TLSVersion.TLSv1_2
        if options["versions"] == "v13":
            context.minimum_version = ssl.TLSVersion.TLSv1_3
        self.offered = options["alpn"]
        self.is_tls, self.phase = True, Job()

        def shake() -> None:
            secured = context.wrap_socket(plain, server_hostname=self.host)
            with CHANGED:
                self.socket = secured

        self.phase.run(shake, "tls")

    def tls(self) -> dict[str, Any] | None:
        with CHANGED:
            if not isinstance(self.socket, ssl.SSLSocket) or not self.phase.is_over:
                return None
            version = {"TLSv1.2": 0x0303, "TLSv1.3": 0x0304}.get(self.socket.version() or "")
            cipher = (self.socket.cipher() or ("",))[0]
            # OpenSSL has names of its own before TLS 1.3.
            known = cipher if cipher.startswith("TLS_") else None
            alpn = b"http/1.1" if b"http/1.1" in self.offered else b""
            certificate = self.socket.getpeercert(True)
            certificates = [certificate] if certificate else []
            return {
                "version": version,
                "cipher": known,
                "alpn": alpn,
                "certificates": certificates,
            }

    def close(self) -> None:
        with CHANGED:
            self.is_closed = True
            if self.exchange:
                self.exchange.end(Failure("closed"))
            made = self.socket
        if made:
            with contextlib.suppress(OSError):
                made.shutdown(socket.SHUT_RDWR)
            made.close()


def head_of(connection: Connection, head: dict[str, Any], kind: tuple[str, int | None]) -> bytes:
    """The bytes of a request's head, once it was checked."""
    method: bytes = head["method"]
    path: bytes = head["path"]
    size = len(method) + len(path) + sum(len(n) + len(v) + 4 for n, v in head["fields"])
    if size > HEAD:
        raise limit("request-head-size", HEAD)
    if not TOKEN.fullmatch(method) or not PATH.fullmatch(path):
        raise invalid("the method or the path is none")
    if method in (b"CONNECT", b"TRACE"):
        raise denied("method", "method", "this method is never sent")
    authority = f"{connection.host}:{connection.port}".encode()
    framing = {
        "none": b"",
        "sized": b"Content-Length: %d\r\n" % (kind[1] or 0),
        "chunked": b"Transfer-Encoding: chunked\r\n",
    }[kind[0]]
    lines, own = [], set()
    for name, value in head["fields"]:
        lower = name.lower()
        if not TOKEN.fullmatch(name) or not VALUE.fullmatch(value):
            raise invalid("a field is none")
        if lower in OWN_FIELDS:
            raise denied("field", "field", f"'{name.decode()}' is the host's own")
        if lower == b"host":
            if value not in (authority, connection.host.encode()):
                raise denied("host-mismatch", "host", "'Host' is not the connection's")
        elif lower in (b"content-length", b"transfer-encoding"):
            if lower in own or (name + b": " + value + b"\r\n").lower() != framing.lower():
                raise invalid("the framing fields are not the body's")
        else:
            lines.append(name + b": " + value + b"\r\n")
        own.add(lower)
    first = method + b" " + path + b" HTTP/1.1\r\nHost: " + authority + b"\r\n"
    return first + b"".join(lines) + framing + b"\r\n"


class Response(NamedTuple):
    """A response's head."""

    status: int
    version: str
    reason: bytes
    fields: list[Field]

    def values(self, name: bytes) -> list[bytes]:
        return [value.lower() for n, value in self.fields if n.lower() == name]


def read_lines(file: BinaryIO) -> list[bytes]:
    """Lines up to an empty one."""
    lines: list[bytes] = []
    size = 0
    while True:
        line = file.readline(HEAD)
        size += len(line)
        if not line.endswith(b"\n"):
            too_large = size >= HEAD
            raise limit("response-head-size", HEAD) if too_large else Failure("reset")
        line = line.rstrip(b"\r\n")
        if not line:
            return lines
        lines.append(line)


def parse_fields(lines: list[bytes]) -> list[Field]:
    fields = []
    for line in lines:
        name, colon, value = line.partition(b":")
        if not colon or not TOKEN.fullmatch(name):
            raise protocol("a field of the peer is none")
        fields.append((name, value.strip(b" \t")))
    return fields


def read_head(file: BinaryIO) -> Response:
    first, *lines = read_lines(file) or [b""]
    found = re.fullmatch(rb"HTTP/1\.([01]) ([1-9][0-9][0-9])(?: (.*))?", first)
    if not found:
        raise protocol("the peer does not speak HTTP/1")
    version = "http11" if found[1] == b"1" else "http10"
    return Response(int(found[2]), version, found[3] or b"", parse_fields(lines))


class Exchange(Job):
    """A request and its response. Three threads: one sends, one receives, and the guest's."""

    def __init__(self, on: Connection, head: dict[str, Any], kind: tuple[str, int | None]) -> None:
        super().__init__()
        self.socket = on.established()
        if on.exchange and not on.exchange.is_over:
            raise invalid("the previous exchange is not over")
        on.policy.check(("https" if on.is_tls else "http",), on.host, on.port)
        self.head_bytes = head_of(on, head, kind)
        self.method = head["method"]
        self.connection, self.kind, self.left = on, kind[0], kind[1] or 0
        self.response: Response | Failure | None = None
        self.head_taken = self.input_taken = self.output_taken = False
        self.output_open = self.is_finished = self.is_sent = False
        self.was_asked = self.asked_told = False
        self.outgoing, self.incoming = bytearray(), bytearray()
        self.trailers: list[Field] = []
        on.is_used, on.exchange = True, self
        in_thread(self.send)
        in_thread(self.receive)

    def end(self, failure: Failure | None = None) -> None:
        super().end(failure)
        with CHANGED:
            if failure and self.response is None:
                self.response = failure

    def send(self) -> None:
        """Sends the head, then the body as it comes."""
        try:
            self.socket.sendall(self.head_bytes)
            while self.kind != "none":
                with CHANGED:
                    CHANGED.wait_for(lambda: self.outgoing or self.is_finished or self.is_over)
                    if self.is_over and not self.outgoing:
                        return
                    piece = bytes(self.outgoing[:16384])
                    is_last = not piece
                if self.kind == "chunked":
                    self.socket.sendall(b"%x\r\n%b\r\n" % (len(piece), piece))
                elif piece:
                    self.socket.sendall(piece)
                with CHANGED:
                    del self.outgoing[: len(piece)]
                    CHANGED.notify_all()
                if is_last:
                    break
            with CHANGED:
                self.is_sent = True
        except (OSError, ValueError) as error:
            # A peer may answer before it ends the connection: the answer counts.
            with CHANGED:
                CHANGED.wait_for(lambda: self.response is not None, 1)
                if not isinstance(self.response, Response):
                    # A `ValueError`: the socket was closed on this side.
                    if isinstance(error, OSError):
                        self.end(failure_of(error, "request"))
                    self.end(Failure("closed"))

    def receive(self) -> None:
        phase = "head"
        try:
            with self.socket.makefile("rb") as file:
                response = self.receive_head(file)
                with CHANGED:
                    self.response = response
                    CHANGED.notify_all()
                phase = "body"
                self.receive_body(file, response)
            self.end()
        except Failure as failure:
            self.end(failure)
        except OSError as error:
            self.end(failure_of(error, phase))
        except ValueError:
            # The socket was closed on this side.
            self.end(Failure("closed"))

    def receive_head(self, file: BinaryIO) -> Response:
        while True:
            response = read_head(file)
            if response.status >= 200:
                break
            with CHANGED:
                self.was_asked |= response.status == 100
                CHANGED.notify_all()
        if len(set(response.values(b"content-length"))) > 1:
            raise protocol("the peer announces two lengths")
        return response

    def receive_body(self, file: BinaryIO, response: Response) -> None:
        lengths = response.values(b"content-length")
        if self.method == b"HEAD" or response.status in (204, 304):
            return
        if b"chunked" in response.values(b"transfer-encoding"):
            while size := self.chunk_size(file):
                self.take(file, size)
                if file.readline(3).strip():
                    raise protocol("a chunk of the peer has no end")
            self.trailers = parse_fields(read_lines(file))
        elif lengths:
            if not lengths[0].isdigit():
                raise protocol("the peer announces no length")
            self.take(file, int(lengths[0]))
        else:
            while piece := file.read1(16384):  # type: ignore[attr-defined]
                self.give(piece)

    def chunk_size(self, file: BinaryIO) -> int:
        line = file.readline(4096)
        if not line.endswith(b"\n"):
            raise Failure("reset")
        digits = line.partition(b";")[0].strip()
        if not re.fullmatch(rb"[0-9a-fA-F]{1,16}", digits):
            raise protocol("a chunk of the peer has no size")
        return int(digits, 16)

    def take(self, file: BinaryIO, size: int) -> None:
        while size:
            piece = file.read1(min(size, 16384))  # type: ignore[attr-defined]
            if not piece:
                raise Failure("reset")
            self.give(piece)
            size -= len(piece)

    def give(self, piece: bytes) -> None:
        """Gives a piece to the guest, once that has room for it."""
        with CHANGED:
            CHANGED.wait_for(lambda: len(self.incoming) < BUFFER or self.is_over)
            if self.is_over:
                raise Failure("closed")
            self.incoming += piece
            CHANGED.notify_all()

    def take_head(self) -> Response | None:
        if self.head_taken:
            raise Failure("closed")
        if self.response is None:
            return None
        self.head_taken = True
        if isinstance(self.response, Failure):
            raise self.response
        return self.response

    def finish(self) -> None:
        if self.kind == "none":
            raise invalid("the request has no body")
        if self.output_open:
            raise invalid("the body's stream is still there")
        if self.is_finished:
            raise Failure("closed")
        if self.kind == "sized" and self.left:
            self.cancel()
            raise invalid("fewer bytes were written than announced")
        with CHANGED:
            self.is_finished = True
            CHANGED.notify_all()

    def cancel(self) -> None:
        """Ends what was not over, so that the peer sees it."""
        if not self.is_over or (self.kind != "none" and not self.is_sent):
            self.end(Failure("closed"))
            self.connection.close()
