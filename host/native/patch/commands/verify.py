"""Tries what a program may do, against a broker that denies everything, and prints how it went.

The patcher runs this file's text with its test broker in the environment. Each name ends in
`.invalid`, which no name server knows (RFC 6761 section 6.4).
"""

import errno
import json
import sys

_SECONDS = 0.5
_UNREACHED = ("192.0.2.1", 9)  # of no network (RFC 5737)


def _told(call):
    """Returns how a call ended, as text."""
    try:
        return f"ok: {call()}"
    except BaseException as error:
        reason = getattr(error, "reason", None)
        error = reason if isinstance(reason, BaseException) else error
        return f"{type(error).__name__}: {error}"


def _facts():
    package = sys.modules.get("sandbox_net_native")
    custom = sys.modules.get("sitecustomize")
    return {
        "version": ".".join(str(number) for number in sys.version_info[:3]),
        "executable": sys.executable,
        "no_site": bool(sys.flags.no_site),
        "isolated": bool(getattr(sys.flags, "isolated", 0)),
        "active": package is not None and package.is_active(),
        "package": getattr(package, "__file__", None),
        "sitecustomize": getattr(custom, "__file__", None),
        "found": _found(),
    }


def _found():
    """Returns where the package would be imported from."""
    from importlib.machinery import PathFinder

    spec = PathFinder.find_spec("sandbox_net_native", [place for place in sys.path if place])
    return getattr(spec, "origin", None)


def _asyncio():
    import asyncio

    loop = asyncio.new_event_loop()
    try:
        task = asyncio.wait_for(loop.create_connection(asyncio.Protocol, "asyncio.invalid", 80), 20)
        return loop.run_until_complete(task)
    finally:
        loop.close()


def _connect(method):
    import socket

    with socket.socket() as sock:
        sock.settimeout(20)
        return getattr(sock, method)(("socket.invalid", 80))


def _http():
    import http.client

    connection = http.client.HTTPConnection("http-client.invalid", timeout=20)
    connection.request("GET", "/")


def _tries():
    import socket
    import urllib.request

    def url():
        return urllib.request.urlopen("http://urllib.invalid/", timeout=20)

    def created():
        return socket.create_connection(("create.invalid", 80), 20)

    return {
        "socket.create_connection": _told(created),
        "socket.socket.connect": _told(lambda: _connect("connect")),
        "socket.socket.connect_ex": _told(lambda: _connect("connect_ex")),
        "socket.getaddrinfo": _told(lambda: socket.getaddrinfo("look-up.invalid", 80)[0][4][0]),
        "asyncio": _told(_asyncio),
        "http.client": _told(_http),
        "urllib.request": _told(url),
    }


def _seccomp():
    try:
        with open("/proc/self/status") as file:
            lines = [line.split() for line in file if line.startswith("Seccomp:")]
        return bool(lines) and lines[0][1] == "2"
    except OSError:
        return False


def _kernel(kind):
    """Tries the socket of the system itself; returns the name of what the kernel says."""
    import _socket

    try:
        sock = _socket.socket(_socket.AF_INET, kind)
        sock.settimeout(_SECONDS)
        sock.connect(_UNREACHED)
        if kind == _socket.SOCK_DGRAM:
            sock.send(b"sandbox-net")
        return "sent"
    except OSError as error:
        return errno.errorcode.get(error.errno, type(error).__name__)


def main():
    """Prints it."""
    import socket

    told = {"facts": _facts(), "tries": {}, "seccomp": _seccomp()}
    if told["facts"]["active"]:
        told["tries"] = _tries()
    told["tcp"] = _kernel(socket.SOCK_STREAM)
    told["udp"] = _kernel(socket.SOCK_DGRAM)
    print("\nsandbox-net-verify: " + json.dumps(told))


main()
