"""Payloads that do not parse, or that request something invalid.

Arguments: base URL of the HTTP server, of a denied one. Every case sends something invalid, reports
the reply, and then makes a good request.
"""

from __future__ import annotations

import struct
import sys
import urllib.parse

import frames
from frames import (
    CLOSE,
    CONNECT,
    POLL,
    REQUEST,
    START_TLS,
    TLS_INFO,
    call,
    connect_payload,
    request_payload,
    tls_payload,
)
from report import attempt

URL, DENIED = (urllib.parse.urlsplit(url) for url in sys.argv[1:3])
HOST, PORT = str(URL.hostname), URL.port or 80
FIELD = (b"X-Test", b"1")
TRUSTED = frames.VERIFIED | frames.HOST_ROOTS


def without_connection(command: int, arg: int, payload: bytes) -> object:
    reply = call(command, 0, arg, payload)
    return [reply.outcome, frames.good_request(HOST, PORT)]


def on_connection(command: int, arg: int, payload: bytes) -> object:
    connection = frames.opened(HOST, PORT)
    reply = call(command, connection, arg, payload)
    if reply.status == frames.OK and command == REQUEST:
        call(CLOSE, reply.value)
    call(CLOSE, connection)
    return [reply.outcome, frames.good_request(HOST, PORT)]


for case, port, payload in (
    ("port 0", 0, connect_payload(HOST)),
    ("port 65536", 65536, connect_payload(HOST)),
    ("port 2**32-1", 0xFFFFFFFF, connect_payload(HOST)),
    ("no host", PORT, connect_payload("")),
    ("host with a line break", PORT, connect_payload(HOST + "\r\n")),
    ("host with a zero", PORT, connect_payload(HOST + "\0")),
    ("host with a port", PORT, connect_payload(f"{HOST}:{PORT}")),
    ("host with a path", PORT, connect_payload(f"{HOST}/")),
    ("host with a user", PORT, connect_payload(f"user@{HOST}")),
    ("host that is no UTF-8", PORT, connect_payload(b"\xff\xfe")),
    ("host of 100,000 bytes", PORT, connect_payload("a" * 100_000)),
    ("half a timeout", PORT, b"\0" * 7),
    ("denied", DENIED.port or 80, connect_payload(str(DENIED.hostname))),
):
    attempt(f"connect: {case}", without_connection, CONNECT, port, payload)

for case, payload in (
    ("nothing", b""),
    ("half a head", request_payload()[:-3]),
    ("more than a head", request_payload() + b"x"),
    ("too many fields announced", request_payload()[:-2] + b"\xff\xff"),
    ("method longer than the frame", struct.pack("<QH", 0, 0xFFFF) + b"GET"),
    ("path longer than the frame", struct.pack("<QH", 0, 3) + b"GET" + b"\xff" * 4),
    ("empty method", request_payload(method=b"")),
    ("method with a space", request_payload(method=b"GET /x")),
    ("method with a line break", request_payload(method=b"GET\r\nX:")),
    ("empty path", request_payload(b"")),
    ("path without a slash", request_payload(b"get")),
    ("path with a space", request_payload(b"/a b")),
    ("path with a line break", request_payload(b"/ HTTP/1.1\r\nX: 1\r\n\r\n")),
    ("full url", request_payload(b"http://other.test/")),
    ("field name with a colon", request_payload(fields=((b"X:Y", b"1"),))),
    ("field without a name", request_payload(fields=((b"", b"1"),))),
    ("field with a line break", request_payload(fields=((b"X", b"1\r\nY: 2"),))),
    ("field with a zero", request_payload(fields=((b"X", b"1\0"),))),
    ("framing field", request_payload(fields=((b"Transfer-Encoding", b"chunked"),))),
    ("other host", request_payload(fields=((b"Host", b"other.test"),))),
    ("upgrade", request_payload(fields=((b"Upgrade", b"h2c"),))),
    ("CONNECT", request_payload(method=b"CONNECT")),
    ("60,000 fields", request_payload(fields=(FIELD,) * 60_000)),
):
    attempt(f"request: {case}", on_connection, REQUEST, 0, payload)
for kind in (3, 0xFFFFFFFF):
    attempt(f"request: body kind {kind:#x}", on_connection, REQUEST, kind, request_payload())
for case, payload in (
    ("nothing", b""),
    ("name longer than the frame", b"\xff\xff"),
    ("a byte too many", tls_payload() + b"x"),
    ("broken alpn", tls_payload(alpn=b"\x09h2")),
    ("empty alpn", tls_payload(alpn=b"\x00")),
    ("roots that are not there", struct.pack("<HHH", 0, 0, 0xFFFF)),
    ("certificates without a key", tls_payload(certificates=(b"leaf",))),
    ("a key without certificates", tls_payload(key=b"key")),
    ("another name", tls_payload(b"other.test")),
    ("roots that are none", tls_payload(roots=(b"root",))),
    ("too many roots", tls_payload(roots=(b"r",) * 1025)),
    ("a certificate that is none", tls_payload(certificates=(b"leaf",), key=b"key")),
):
    attempt(f"start-tls: {case}", on_connection, START_TLS, TRUSTED, payload)
for settings in (3, 7, 11, 24, 29, 128):
    attempt(f"start-tls: settings {settings}", on_connection, START_TLS, settings, tls_payload())
attempt("start-tls: unverified", on_connection, START_TLS, frames.UNVERIFIED, tls_payload())
attempt("tls-info without tls", on_connection, TLS_INFO, 0, b"")
for case, payload in (
    ("nothing", b""),
    ("no entry and no timeout", struct.pack("<Q", frames.FOREVER)),
    ("an entry without an interest", struct.pack("<QIBxxx", 0, 1, 0)),
    ("half an entry", bytes(8) + b"\1\2\3"),
    ("5,000 entries", bytes(8) + struct.pack("<IBxxx", 1, 1) * 5000),
):
    attempt(f"poll: {case}", without_connection, POLL, 0, payload)


def body_of_connection() -> object:
    connection = frames.opened(HOST, PORT)
    entry = struct.pack("<QIBxxx", 0, connection, frames.READABLE)
    outcome = call(POLL, payload=entry).outcome
    call(CLOSE, connection)
    return [outcome, frames.good_request(HOST, PORT)]


attempt("poll: the body of a connection", body_of_connection)
