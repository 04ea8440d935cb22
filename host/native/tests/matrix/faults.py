"""Prints how one call ends, with the exception's class and arguments; in the syntax of Python 3.6.

Arguments: a URL, a method, and `direct` for names that nobody else knows.
"""

import asyncio
import json
import socket
import ssl
import sys
import urllib.parse
import urllib.request

URL, METHOD, HOW = sys.argv[1:4]
PARTS = urllib.parse.urlsplit(URL)
if HOW == "direct":
    _stock = socket.getaddrinfo
    socket.getaddrinfo = lambda host, *args, **more: _stock("127.0.0.1", *args, **more)


def by_urllib():
    """Reads the URL."""
    request = urllib.request.Request(URL, method=METHOD)
    with urllib.request.urlopen(request, timeout=20) as response:
        return response.status


def by_socket():
    """Speaks HTTP on a socket."""
    with socket.create_connection((PARTS.hostname, PARTS.port), timeout=20) as sock:
        if PARTS.scheme == "https":
            sock = ssl.create_default_context().wrap_socket(sock, server_hostname=PARTS.hostname)
        with sock:
            head = f"{METHOD} {PARTS.path} HTTP/1.1\r\nHost: {PARTS.netloc}\r\n\r\n"
            sock.sendall(head.encode())
            return int(sock.recv(4096).split()[1])


def by_streams():
    """Speaks HTTP on asyncio's streams."""

    async def go():
        context = ssl.create_default_context() if PARTS.scheme == "https" else None
        reader, writer = await asyncio.open_connection(PARTS.hostname, PARTS.port, ssl=context)
        head = f"{METHOD} {PARTS.path} HTTP/1.1\r\nHost: {PARTS.netloc}\r\n\r\n"
        writer.write(head.encode())
        await writer.drain()
        return int((await reader.read(4096)).split()[1])

    loop = asyncio.new_event_loop()
    return loop.run_until_complete(asyncio.wait_for(go(), 30))


def ended(call):
    """Returns how a call ended."""
    try:
        return [call()]
    except Exception as error:
        reason = getattr(error, "reason", None)
        error = reason if isinstance(reason, BaseException) else error
        text = str(error.args[-1]) if error.args else ""
        more = [getattr(error, "deny_rule", None), getattr(error, "limit", None)]
        return [type(error).__name__, text.partition(" (_ssl.c")[0], more]


calls = {"urllib": by_urllib, "socket": by_socket, "streams": by_streams}
print(json.dumps({name: ended(call) for name, call in calls.items()}))
