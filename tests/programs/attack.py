"""One attack, then a good request.

Arguments: the attack as a JSON list of its name and its texts, and the base URL of an allowed
server. Texts that become bytes are Latin-1. It reports the cases ``attack`` and ``good``.

Attacks import what they need themselves: on the machine's own Python, imports take most of a run.
"""

from __future__ import annotations

import errno
import json
import os
import socket
import struct
import sys
from collections.abc import Callable

import frames
from report import attempt

TIMEOUT = 20
# Attacks that bypass the stand-ins for `_socket`.
BY_FRAMES = ("frames", "say", "start_tls", "late_tls", "hold", "steal")


def carried_out(reply: frames.Reply) -> frames.Reply:
    """The reply, or the exception that the shim would raise for it."""
    if reply.status != frames.ERROR:
        return reply
    length = struct.unpack_from("<I", reply.payload)[0] if reply.payload else 0
    text = reply.payload[4 : 4 + length].decode()
    numbers = {1: errno.EACCES, 11: errno.EINVAL}
    raise OSError(numbers.get(reply.code, errno.EIO), text or reply.outcome)


def finished(command: int, handle: int) -> frames.Reply:
    """The reply to a command, after the end of its phase."""
    return carried_out(frames.finished(command, handle, 0, frames.PHASE))


def open_by_frames(host: str, port: str) -> int:
    """The id of a connection to exactly this text."""
    payload = frames.connect_payload(host)
    connection = carried_out(frames.call(frames.CONNECT, 0, int(port), payload)).value
    finished(frames.STATUS, connection)
    return connection


def send_by_frames(connection: int, method: str, path: str, *fields: str) -> object:
    """The status code of a request with these names and values of fields."""
    encoded = [field.encode("latin-1") for field in fields]
    pairs = tuple(zip(encoded[::2], encoded[1::2], strict=True))
    payload = frames.request_payload(path.encode("latin-1"), method.encode("latin-1"), pairs)
    exchange = carried_out(frames.call(frames.REQUEST, connection, 0, payload)).value
    head = finished(frames.HEAD, exchange)
    return struct.unpack_from("<H", head.payload)[0]


def secure_by_frames(connection: int, server_name: str, verify: bool) -> None:
    """Does the TLS handshake with this server name."""
    name = server_name.encode()
    payload = frames.tls_payload(name)
    settings = frames.HOST_ROOTS | (frames.VERIFIED if verify else 0)
    carried_out(frames.call(frames.START_TLS, connection, settings, payload))
    finished(frames.STATUS, connection)


def attack_frames(host: str, port: str) -> object:
    return send_by_frames(open_by_frames(host, port), "GET", "/attack")


def attack_say(authority: str, method: str, path: str, *fields: str) -> object:
    host, port = authority.rsplit(":", 1)
    return send_by_frames(open_by_frames(host, port), method, path, *fields)


def attack_start_tls(authority: str, server_name: str, verify: str, *fields: str) -> object:
    host, port = authority.rsplit(":", 1)
    connection = open_by_frames(host, port)
    secure_by_frames(connection, server_name, verify == "verified")
    return send_by_frames(connection, "GET", "/attack", *fields)


def attack_late_tls(authority: str) -> object:
    """TLS on a connection that has carried a request in plain text."""
    host, port = authority.rsplit(":", 1)
    connection = open_by_frames(host, port)
    send_by_frames(connection, "GET", "/get")
    secure_by_frames(connection, "", True)
    return send_by_frames(connection, "GET", "/attack")


def attack_url(url: str, *fields: str) -> object:
    import urllib.request

    request = urllib.request.Request(url, headers=dict(zip(fields[::2], fields[1::2], strict=True)))
    with urllib.request.urlopen(request, timeout=TIMEOUT) as response:
        response.read()
        return response.status


def attack_urls(*urls: str) -> object:
    """Sends several requests, one after the other; only the last one is the attack."""
    for url in urls[:-1]:
        if attack_url(url) != 200:
            raise AssertionError(f"{url} is not reached")
    return attack_url(urls[-1])


def attack_post(url: str, body: str) -> object:
    import urllib.request

    request = urllib.request.Request(url, data=body.encode("latin-1"))
    with urllib.request.urlopen(request, timeout=TIMEOUT) as response:
        return response.status


def attack_requests(url: str, method: str = "GET") -> object:
    import requests

    return requests.request(method, url, timeout=TIMEOUT).status_code


def attack_session(*urls: str) -> object:
    """Sends several requests over one connection; only the last one is the attack."""
    import http.client
    import urllib.parse

    connection = http.client.HTTPConnection(urllib.parse.urlsplit(urls[0]).netloc, timeout=TIMEOUT)
    for url in urls:
        connection.request("GET", urllib.parse.urlsplit(url).path)
        response = connection.getresponse()
        response.read()
        if url is not urls[-1] and response.status != 200:
            raise AssertionError(f"{url} is not reached")
    connection.close()
    return response.status


def attack_unverified(url: str) -> object:
    import requests

    return requests.get(url, verify=False, timeout=TIMEOUT).status_code


def attack_refresh(url: str) -> object:
    """Follows a `Refresh` or a link as a program would: requests what the header says."""
    import urllib.request

    with urllib.request.urlopen(url, timeout=TIMEOUT) as response:
        target = response.headers["Location"]
    return attack_url(target)


def attack_client(authority: str, method: str, target: str, *fields: str) -> object:
    """Sends with http.client, without its own checks of method and target."""
    import http.client

    class Unchecked(http.client.HTTPConnection):
        def _validate_method(self, method: str) -> None:
            pass

        def _validate_path(self, url: str) -> None:
            pass

    connection = Unchecked(authority, timeout=TIMEOUT)
    try:
        named_host = any(name.lower() == "host" for name in fields[::2])
        connection.putrequest(method, target, skip_host=named_host, skip_accept_encoding=True)
        for name, value in zip(fields[::2], fields[1::2], strict=True):
            connection.putheader(name, value)
        connection.endheaders()
        return connection.getresponse().status
    finally:
        connection.close()


def attack_proxy(proxy: str, url: str) -> object:
    """Sends a request through a proxy, in absolute form or with CONNECT."""
    import urllib.parse
    import urllib.request

    scheme = urllib.parse.urlsplit(url).scheme
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({scheme: proxy}))
    return opener.open(url, timeout=TIMEOUT).status


def attack_raw(authority: str, text: str) -> object:
    """Sends exactly these bytes; returns what arrives until the peer ends or is silent."""
    host, port = authority.rsplit(":", 1)
    with socket.create_connection((host.strip("[]"), int(port)), timeout=TIMEOUT) as sock:
        sock.sendall(text.encode("latin-1"))
        sock.settimeout(1)
        received = b""
        try:
            while piece := sock.recv(65536):
                received += piece
        except TimeoutError:
            if not received:
                raise
        return received[:64].decode("latin-1")


def attack_socket(host: str, port: str) -> object:
    """Connects to this text as it is, without a lookup first."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as sock:
        sock.settimeout(TIMEOUT)
        sock.connect((host, int(port)))
        sock.sendall(b"GET /attack HTTP/1.1\r\nHost: x\r\n\r\n")
        return len(sock.recv(1))


def attack_handshake(authority: str, server_name: str) -> object:
    """Begins TLS with another name than the connection's, with `ssl` itself."""
    import ssl

    host, port = authority.rsplit(":", 1)
    context = ssl.create_default_context()
    plain = socket.create_connection((host, int(port)), timeout=TIMEOUT)
    with plain, context.wrap_socket(plain, server_hostname=server_name) as sock:
        sock.sendall(b"GET /attack HTTP/1.1\r\nHost: %b\r\n\r\n" % authority.encode())
        return sock.recv(12).decode("latin-1")


def attack_lookup(name: str) -> object:
    return len(socket.getaddrinfo(name, 80))


def first_address(asked: str) -> str:
    """The address of the first of these names; the others are looked up after it."""
    first, *_ = [socket.gethostbyname(name) for name in asked.split(",")]
    return first


def attack_pinned(asked: str, authority: str, *host: str) -> object:
    """Sends this `Host` to the address that a name was found at, as guards pin it."""
    import http.client

    address, port = first_address(asked), authority.rsplit(":", 1)[-1]
    connection = http.client.HTTPConnection(address, int(port), timeout=TIMEOUT)
    try:
        connection.request("GET", "/attack", headers=dict(zip(("Host",), host, strict=False)))
        return connection.getresponse().status
    finally:
        connection.close()


def attack_pinned_tls(asked: str, authority: str, server_name: str, host: str) -> object:
    """The same over TLS with this server name."""
    import ssl

    address, port = first_address(asked), authority.rsplit(":", 1)[-1]
    context = ssl.create_default_context()
    plain = socket.create_connection((address, int(port)), timeout=TIMEOUT)
    with plain, context.wrap_socket(plain, server_hostname=server_name) as sock:
        sock.sendall(b"GET /attack HTTP/1.1\r\nHost: %b\r\n\r\n" % host.encode())
        return sock.recv(12).decode("latin-1")


def attack_second(asked: str, authority: str, host: str) -> object:
    """Sends a second request on a connection, with another `Host` than the first one."""
    import http.client

    names, port = asked.split(","), authority.rsplit(":", 1)[-1]
    connection = http.client.HTTPConnection(first_address(asked), int(port), timeout=TIMEOUT)
    try:
        for value in (f"{names[0]}:{port}", host):
            connection.request("GET", "/ok", headers={"Host": value})
            response = connection.getresponse()
            response.read()
        return response.status
    finally:
        connection.close()


def attack_inside(name: str, port: str) -> object:
    """Uses a name whose addresses look harmless to a guard."""
    import ipaddress

    address = socket.gethostbyname(name)
    kind = ipaddress.ip_address(address)
    if kind.is_loopback or kind.is_link_local or address.startswith(("10.", "192.168.")):
        raise AssertionError(f"{address} was told")
    return attack_pinned(name, port)


def attack_moving(name: str, port: str) -> object:
    """Uses the address that a name had before a second lookup."""
    address = socket.gethostbyname(name)
    if socket.gethostbyname(name) == address:
        raise AssertionError("it has not moved")
    return attack_url(f"http://{address}:{port}/")


def attack_environment(name: str, value: str, url: str) -> object:
    """Sets a proxy in the program's own environment."""
    os.environ[name] = value
    try:
        return attack_url(url)
    finally:
        del os.environ[name]


def attack_datagram(host: str, port: str, name: str) -> object:
    """Sends the program's own query to a name server (RFC 1035 section 4.1)."""
    labels = b"".join(bytes((len(label),)) + label.encode() for label in name.split("."))
    question = struct.pack(">6H", 1, 0x0100, 1, 0, 0, 0) + labels + struct.pack(">BHH", 0, 1, 1)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.settimeout(TIMEOUT)
        sock.sendto(question, (host, int(port)))
        return len(sock.recv(512))


def attack_hold(authority: str, path: str) -> object:
    """Opens connections, and reports their ids when a request on the first one is over."""
    host, port = authority.rsplit(":", 1)
    connections = [open_by_frames(host, port) for _ in range(3)]
    send_by_frames(connections[0], "GET", path)
    return connections


def attack_steal(*handles: str) -> object:
    """Sends a request on ids of others, and on neighbouring ids; returns the outcomes."""
    outcomes = set()
    payload = frames.request_payload(b"/stolen")
    for handle in (int(handle) for handle in handles):
        for near in range(max(0, handle - 100), handle + 100):
            outcomes.add(frames.call(frames.REQUEST, near, 0, payload).outcome)
    return sorted(outcomes)


def attack_leave(authority: str) -> object:
    """Ends the process in the middle of a request's body."""
    host, port = authority.rsplit(":", 1)
    exchange = frames.requested(open_by_frames(host, port), b"/upload", kind=1, size=1000)
    print(frames.call(frames.WRITE, exchange, 0, b"half").outcome, flush=True)
    os._exit(0)


def good(base: str, by_frames: bool) -> object:
    """Whether this program still reaches what is allowed, without a proxy."""
    host, port = base.removeprefix("http://").rsplit(":", 1)
    if by_frames:
        return 200 if frames.good_request(host, int(port)) else 0
    with socket.create_connection((host, int(port)), timeout=TIMEOUT) as sock:
        request = f"GET /get HTTP/1.1\r\nHost: {host}:{port}\r\nConnection: close\r\n\r\n"
        sock.sendall(request.encode())
        received = b""
        while piece := sock.recv(65536):
            received += piece
    head, _, body = received.partition(b"\r\n\r\n")
    return int(head.split()[1]) if body else 0


def main() -> None:
    name, *texts = json.loads(sys.argv[1])
    action: Callable[..., object] = globals()[f"attack_{name}"]
    attempt("attack", action, *texts)
    attempt("good", good, sys.argv[2], name in BY_FRAMES)


if __name__ == "__main__":
    main()
