"""The ``socket`` module itself. Arguments: base URL of the HTTP server, of the raw server."""

from __future__ import annotations

import io
import ipaddress
import socket
import sys
import urllib.parse

from report import attempt

HTTP, RAW = (urllib.parse.urlsplit(url) for url in sys.argv[1:3])
GET = b"GET %b HTTP/1.1\r\nHost: %b\r\n\r\n"


def connect(url: urllib.parse.SplitResult = HTTP, timeout: float = 20) -> socket.socket:
    return socket.create_connection((url.hostname, url.port), timeout)


def get(path: bytes, url: urllib.parse.SplitResult = HTTP) -> bytes:
    """The head of a request."""
    return GET % (path, url.netloc.encode())


def receive(sock: socket.socket, end: bytes) -> bytes:
    """Everything up to and with ``end``."""
    received = b""
    while not received.endswith(end) and (piece := sock.recv(100)):
        received += piece
    return received


def byte_by_byte() -> object:
    with connect() as sock:
        for byte in get(b"/status/404"):
            sock.sendall(bytes([byte]))
        head, _, body = receive(sock, b"status 404\n").partition(b"\r\n\r\n")
        return [head.split(b"\r\n")[0].decode(), body.decode()]


def files() -> object:
    with connect() as sock:
        reader = sock.makefile("rb")
        writer = sock.makefile("wb")
        writer.write(get(b"/bytes/3"))
        writer.flush()
        line = reader.readline()
        kinds = [isinstance(reader, io.BufferedReader), isinstance(writer, io.BufferedWriter)]
        raw = sock.makefile("rb", buffering=0)
        text = sock.makefile("r", encoding="latin-1")
        kinds += [isinstance(raw, io.RawIOBase), isinstance(text, io.TextIOWrapper)]
        return [line.decode(), kinds]


def into_buffers() -> object:
    with connect() as sock:
        sock.send(get(b"/status/200"))
        buffer = bytearray(12)
        count = sock.recv_into(buffer, 4)
        count += sock.recv_into(memoryview(buffer)[count:])
        return bytes(buffer[:12]).decode() if count == 12 else count


def keep_alive() -> object:
    with connect() as sock:
        lines = []
        for _ in range(3):
            sock.sendall(get(b"/status/200"))
            lines.append(receive(sock, b"status 200\n").split(b"\r\n")[0].decode())
        return lines


def addresses() -> object:
    with connect() as sock:
        own, peer = sock.getsockname(), sock.getpeername()
        valid = [bool(ipaddress.ip_address(host)) for host in (own[0], peer[0])]
        return [valid, peer[1] == HTTP.port, sock.family.name, sock.type.name]


def lookups() -> object:
    """Whatever a lookup returns are address literals and the requested port."""
    found = []
    for host in ("localhost", "127.0.0.1", "::1"):
        for entry in socket.getaddrinfo(host, 443, type=socket.SOCK_STREAM):
            ipaddress.ip_address(entry[4][0])
            found.append([host, entry[4][1], entry[1].name])
    return [len(found) >= 3, {str(entry[1:]) for entry in found} == {"[443, 'SOCK_STREAM']"}]


def lookup_by_service() -> object:
    return sorted({entry[4][1] for entry in socket.getaddrinfo("127.0.0.1", "https")})


def end_of_stream() -> object:
    with connect() as sock:
        sock.sendall(get(b"/close"))
        sock.shutdown(socket.SHUT_WR)
        received = receive(sock, b"connection\n")
        return [received[:12].decode(), sock.recv(10).decode()]


def after_close() -> object:
    sock = connect()
    sock.close()
    sock.close()
    return [sock.fileno(), sock.recv(1)]


def timeout() -> object:
    with connect(RAW, 0.5) as sock:
        sock.sendall(get(b"/silent", RAW))
        return sock.recv(1)


def refused() -> object:
    free = socket.socket()
    code = free.connect_ex((RAW.hostname, 1))
    free.close()
    return code != 0


def detached() -> object:
    sock = connect()
    sock.settimeout(None)
    copy = socket.socket(fileno=sock.detach())
    with copy:
        copy.sendall(get(b"/status/200"))
        return copy.recv(12).decode()


def pipelined() -> object:
    with connect() as sock:
        sock.sendall(get(b"/get") + get(b"/get"))
        return sock.recv(12).decode()


def other_protocol() -> object:
    with connect() as sock:
        sock.sendall(b"\x00\x01 this is no HTTP\r\n\r\n")
        return sock.recv(12).decode()


attempt("byte by byte", byte_by_byte)
attempt("makefile", files)
attempt("recv_into", into_buffers)
attempt("keep alive", keep_alive)
attempt("addresses", addresses)
attempt("getaddrinfo", lookups)
attempt("getaddrinfo of a service", lookup_by_service)
attempt("end of stream", end_of_stream)
attempt("after close", after_close)
attempt("timeout", timeout)
attempt("connect_ex", refused)
attempt("detach", detached)
attempt("pipelined", pipelined)
attempt("other protocol", other_protocol)
attempt("good at the end", byte_by_byte)
