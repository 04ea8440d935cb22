"""Tries to get past a confinement, one attempt a function, and prints what each met as JSON.

Runs inside the peer under test and, as the control, outside every confinement.
"""

from __future__ import annotations

import base64
import ctypes
import fcntl
import json
import os
import socket
import ssl
import sys
from collections.abc import Callable
from urllib.parse import unquote, urlsplit
from urllib.request import urlopen

LAB = json.loads(os.environ["LAB"])


def connect(host: str, port: int) -> socket.socket:
    """Connects by the proxy of the environment with CONNECT, or directly if there is none."""
    proxy = urlsplit(os.environ.get("HTTPS_PROXY") or os.environ.get("https_proxy") or "")
    if not proxy.hostname:
        return socket.create_connection((host, port), timeout=10)
    sock = socket.create_connection((proxy.hostname, proxy.port or 80), timeout=10)
    head = f"CONNECT {host}:{port} HTTP/1.1\r\nHost: {host}:{port}\r\n"
    if proxy.username:
        login = f"{unquote(proxy.username)}:{unquote(proxy.password or '')}".encode()
        head += f"Proxy-Authorization: Basic {base64.b64encode(login).decode()}\r\n"
    sock.sendall(f"{head}\r\n".encode())
    answer = b""
    while b"\r\n\r\n" not in answer:
        more = sock.recv(1)
        if not more:
            raise ConnectionError(f"proxy closed after {answer!r}")
        answer += more
    line = answer.split(b"\r\n")[0].decode()
    if line.split(" ")[1] != "200":
        raise ConnectionError(f"proxy: {line}")
    return sock


def get(
    host: str, target: str = "/public/x", named: str = "", sni: str = "", port: int = 443
) -> str:
    """Sends one GET with exactly this target, Host and server name, and returns the status line."""
    sock = connect(host, port)
    if port == 443:
        trust = ssl.create_default_context(cafile=os.environ["SSL_CERT_FILE"])
        sock = trust.wrap_socket(sock, server_hostname=sni or host)
    authority = named or (host if port == 443 else f"{host}:{port}")
    request = f"GET {target} HTTP/1.1\r\nHost: {authority}\r\nConnection: close\r\n\r\n"
    sock.sendall(request.encode())
    answer = sock.recv(65536)
    if not answer:
        raise ConnectionError("closed without an answer")
    return answer.split(b"\r\n")[0].decode(errors="replace")


def udp() -> str:
    """Sends a datagram past every proxy."""
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.sendto(b"datagram", (LAB["denied"], 5353))
    return "sent"


def unix(path: str) -> str:
    """Talks to another program's Unix socket."""
    sock = socket.socket(socket.AF_UNIX)
    sock.settimeout(5)
    sock.connect(path)
    return sock.recv(16).decode()


def memory() -> str:
    """Opens the memory of every process that is not this one."""
    found = []
    for entry in os.listdir("/proc"):
        if entry.isdigit() and int(entry) != os.getpid():
            try:
                with (
                    open(f"/proc/{entry}/mem", "rb", buffering=0),
                    open(f"/proc/{entry}/comm") as comm,
                ):
                    found.append(comm.read().strip())
            except OSError:
                continue
    if not found:
        raise PermissionError("no other process's memory opens")
    return f"opened {len(found)}: {' '.join(sorted(set(found))[:5])}"


def io_uring() -> str:
    """Makes an io_uring, whose operations no system call filter sees."""
    libc = ctypes.CDLL(None, use_errno=True)
    params = ctypes.create_string_buffer(120)
    if libc.syscall(425, 1, params) < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return "made"


def type_into_terminal() -> str:
    """Pushes a key into the terminal that the caller gave, as if its user had typed it."""
    fcntl.ioctl(0, 0x5412, b" ")  # TIOCSTI
    return "typed"


def inherited() -> str:
    """Looks for the descriptor that the caller left open."""
    os.fstat(LAB["descriptor"])
    return "open"


def environment() -> str:
    """Looks for a secret in the caller's environment."""
    return "visible" if os.environ["LAB_SECRET"] == LAB["secret"] else "replaced"


def direct() -> str:
    """Connects to an address without the proxy and without a name."""
    socket.create_connection((LAB["denied"], 443), timeout=5)
    return "connected"


def family(number: int, kind: int, protocol: int = 0) -> str:
    """Makes a socket of another family."""
    socket.socket(number, kind, protocol)
    return "made"


def urllib() -> str:
    """Asks for the denied host as programs do, to see the exception."""
    with urlopen("https://denied.test/", timeout=10) as answer:
        return str(answer.status)


ATTEMPTS: dict[str, Callable[[], str]] = {
    "allowed": lambda: get("allowed.test"),
    "denied": lambda: get("denied.test"),
    "urllib": urllib,
    "direct": direct,
    "udp": udp,
    "unix-path": lambda: unix(LAB["service"]),
    "unix-abstract": lambda: unix("\0lab-service"),
    "memory": memory,
    "io-uring": io_uring,
    "raw": lambda: family(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP),
    "packet": lambda: family(socket.AF_PACKET, socket.SOCK_RAW),
    "netlink": lambda: family(socket.AF_NETLINK, socket.SOCK_RAW),
    "vsock": lambda: family(socket.AF_VSOCK, socket.SOCK_STREAM),
    "rebinding": lambda: get("rebind.test", port=8088),
    "own-address": lambda: get("self.test", port=8088),
    "host-fronting": lambda: get("allowed.test", named="denied.test"),
    "name-fronting": lambda: get("allowed.test", named="denied.test", sni="denied.test"),
    "other-path": lambda: get("allowed.test", "/secret"),
    "dot-segments": lambda: get("allowed.test", "/public/../secret"),
    "dots-encoded": lambda: get("allowed.test", "/public/%2e%2e/secret"),
    "terminal": type_into_terminal,
    "descriptor": inherited,
    "environment": environment,
}


def main() -> None:
    results = {}
    for name, attempt in ATTEMPTS.items():
        try:
            results[name] = attempt()
        except Exception as error:
            results[name] = f"{type(error).__name__}: {error}"
    json.dump(results, sys.stdout)


if __name__ == "__main__":
    main()
