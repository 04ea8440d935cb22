"""Speaks to the broker: `CONNECT`, and its API.

It uses the methods of `_socket.socket` themselves, which no patch changes.
"""

import _socket
import time

from . import json_text, settings
from .errors import broker_error

MYPY = False  # no program pays for `typing`
if MYPY:
    from typing import Any

RAW = _socket.socket
_MAX_HEAD = 64 * 1024
_MAX_BODY = 1024 * 1024
_PIECE = 4096
# How long a call of the API may take; the broker has shorter limits of its own.
_CALL_SECONDS = 60.0
# A question about a connection that is over; the broker knows the answer.
_ASK_SECONDS = 5.0


class Deadline:
    """When something has to be over; `None` is never."""

    __slots__ = ("_end",)

    def __init__(self, seconds: "float | None") -> "None":
        self._end = None if seconds is None else time.monotonic() + seconds

    def arm(self, sock: "RAW") -> "None":
        """Gives a socket the time that is left.

        Raises:
            timeout: there is none.
        """
        if self._end is None:
            RAW.settimeout(sock, None)
            return
        left = self._end - time.monotonic()
        if left <= 0:
            raise _socket.timeout("timed out")
        RAW.settimeout(sock, left)


class Answer:
    """The head of a response of the broker."""

    def __init__(self, head: "bytes") -> "None":
        lines = head.decode("latin-1").split("\r\n")
        _, status, _ = (lines[0] + "  ").split(" ", 2)
        if len(status) != 3 or not status.isdigit():
            raise ValueError(lines[0])
        self.status = int(status)
        self.fields = {}  # type: dict[str, str]
        for line in lines[1:]:
            name, _, value = line.partition(":")
            self.fields[name.strip().lower()] = value.strip()

    @property
    def length(self) -> "int":
        """How long its body is."""
        text = self.fields.get("content-length", "")
        return min(int(text), _MAX_BODY) if text.isdigit() else _MAX_BODY


def refused() -> "OSError":
    """Makes the error of a broker that does not listen."""
    text = "does not take connections (is it running?)"
    return broker_error(ConnectionRefusedError, settings.CURRENT.where, text)


def away(error: "OSError") -> "OSError":
    """Makes the error of a broker that cannot be connected to, out of the system's."""
    if isinstance(error, (ConnectionRefusedError, FileNotFoundError)):
        return refused()
    text = f"cannot be reached ({error.strerror or error})"
    return broker_error(ConnectionRefusedError, settings.CURRENT.where, text)


def lost() -> "OSError":
    """Makes the error of a broker that closed the connection."""
    text = "closed the connection"
    return broker_error(ConnectionResetError, settings.CURRENT.where, text)


def garbage() -> "OSError":
    """Makes the error of something that is no broker."""
    text = "does not answer as a broker does: check SANDBOX_NET_BROKER_HOST and its _PORT"
    return broker_error(ConnectionResetError, settings.CURRENT.where, text)


def broker_address(family: "int") -> "tuple[int, object]":
    """Returns the broker's family and address for a socket of this family, if it has one."""
    current = settings.CURRENT
    if current.path:
        return _socket.AF_UNIX, current.path
    host = "127.0.0.1" if current.host == "localhost" else current.host
    if ":" in host:
        return _socket.AF_INET6, (host, current.port, 0, 0)
    if family == _socket.AF_INET or not host[:1].isdigit():
        return _socket.AF_INET, (host, current.port)
    return _socket.AF_INET6, ("::ffff:" + host, current.port, 0, 0)


def is_broker(address: "str", port: "int") -> "bool":
    """Whether an address literal and a port are the broker's own."""
    current = settings.CURRENT
    return not current.path and port == current.port and address == current.host


def connect_carrier(carrier: "RAW", address: "Any", deadline: "Deadline") -> "None":
    """Connects a socket to the broker.

    Raises:
        ConnectionRefusedError: nobody listens there.
    """
    deadline.arm(carrier)
    try:
        RAW.connect(carrier, address)
    except _socket.timeout:
        raise
    except OSError as error:
        raise away(error) from None


def connect_request(host: "str", port: "int") -> "bytes":
    """Returns the head that asks for a connection to a host and port."""
    target = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    current = settings.CURRENT
    lines = [
        f"CONNECT {target} HTTP/1.1",
        f"Host: {target}",
        "X-Sandbox-Net-Client: patch",
    ]
    if current.token:
        lines.append(f"Proxy-Authorization: Bearer {current.token}")
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1", "replace")


class HeadReader:
    """Collects the head of a response, and takes nothing that follows it.

    A server may speak first: what follows the head is the program's own to read.
    """

    def __init__(self) -> "None":
        self._head = b""

    def read(self, carrier: "RAW") -> "Answer | None":
        """Reads once; returns the head if it is whole."""
        peeked = RAW.recv(carrier, _PIECE, _socket.MSG_PEEK)
        if not peeked:
            raise lost() if b"HTTP/1.1".startswith(self._head[:8]) else garbage()
        before = len(self._head)
        end = (self._head + peeked).find(b"\r\n\r\n")
        size = len(peeked) if end < 0 else end + 4 - before
        self._head += RAW.recv(carrier, size)
        start = self._head[:7]
        if start != b"HTTP/1."[: len(start)] or len(self._head) > _MAX_HEAD:
            raise garbage()
        if end < 0:
            return None
        try:
            return Answer(self._head[:-4])
        except ValueError:
            raise garbage() from None


class BodyReader:
    """Collects the body of an answer."""

    def __init__(self, answer: "Answer") -> "None":
        self._left = answer.length
        self._bounded = "content-length" in answer.fields
        self._parts = []  # type: list[bytes]

    @property
    def over(self) -> "bool":
        """Whether it is whole."""
        return not self._left

    def read(self, carrier: "RAW") -> "None":
        """Reads once."""
        piece = RAW.recv(carrier, min(self._left, 65536))
        if not piece and self._bounded:
            raise lost()
        self._parts.append(piece)
        self._left = self._left - len(piece) if piece else 0

    def error(self) -> "dict[str, object]":
        """Returns the error that it is."""
        found = self.value()
        error = found.get("error") if isinstance(found, dict) else None
        if not isinstance(error, dict):
            raise garbage()
        return error

    def value(self) -> "Any":
        """Returns the JSON that it is."""
        try:
            return json_text.loads(b"".join(self._parts).decode("utf-8"))
        except ValueError:
            raise garbage() from None


def exchange(carrier: "RAW", head: "bytes", deadline: "Deadline") -> "tuple[Answer, BodyReader]":
    """Sends a request and reads the head of the answer, on a connected socket that waits."""
    try:
        deadline.arm(carrier)
        RAW.sendall(carrier, head)
        reader = HeadReader()
        answer = None
        while answer is None:
            deadline.arm(carrier)
            answer = reader.read(carrier)
        return answer, BodyReader(answer)
    except (ConnectionResetError, BrokenPipeError) as error:
        raise _own(error) from None


def read_body(carrier: "RAW", body: "BodyReader", deadline: "Deadline") -> "None":
    """Reads the body of an answer to its end."""
    try:
        while not body.over:
            deadline.arm(carrier)
            body.read(carrier)
    except ConnectionResetError as error:
        raise _own(error) from None


def _own(error: "OSError") -> "OSError":
    return error if getattr(error, "_sandbox_net_refusal", False) else lost()


def _call(method: "str", path: "str", body: "str | None", seconds: "float") -> "tuple[int, object]":
    current = settings.CURRENT
    content = b"" if body is None else body.encode("utf-8")
    lines = [
        f"{method} {path} HTTP/1.1",
        f"Host: {current.authority}",
        "Connection: close",
    ]
    if current.token:
        lines.append(f"Authorization: Bearer {current.token}")
    if body is not None:
        lines.append("Content-Type: application/json")
        lines.append(f"Content-Length: {len(content)}")
    head = ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1", "replace")
    family, address = broker_address(_socket.AF_INET)
    carrier = RAW(family, _socket.SOCK_STREAM, 0)
    deadline = Deadline(seconds)
    try:
        connect_carrier(carrier, address, deadline)
        answer, reader = exchange(carrier, head + content, deadline)
        read_body(carrier, reader, deadline)
        return answer.status, reader.value()
    except _socket.timeout:
        text = "does not answer"
        raise broker_error(ConnectionResetError, current.where, text) from None
    finally:
        RAW.close(carrier)


def resolve(name: "str") -> "tuple[list[str], dict[str, object] | None]":
    """Asks for the addresses of a name; returns them, or the error."""
    body = f'{{"host": {json_text.quote(name)}}}'
    status, found = _call("POST", "/api/resolve", body, _CALL_SECONDS)
    if not isinstance(found, dict):
        raise garbage()
    error = found.get("error")
    if isinstance(error, dict):
        return [], error
    addresses = found.get("addresses")
    if status != 200 or not isinstance(addresses, list):
        raise garbage()
    return [str(address) for address in addresses], None


def error_of(connection: "str") -> "dict[str, object] | None":
    """Asks for the error that ended a connection."""
    path = f"/api/connections/{connection}"
    status, found = _call("GET", path, None, _ASK_SECONDS)
    error = found.get("error") if isinstance(found, dict) else None
    return error if status == 200 and isinstance(error, dict) else None
