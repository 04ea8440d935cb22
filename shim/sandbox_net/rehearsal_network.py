"""Makes some requests before the snapshot, to a host that answers here, so that their code has run.

See `rehearsal`: the first request of a program then runs the quicker instructions, and copies fewer
pages of memory. Nothing of these requests is left, and none leaves the interpreter.
"""

import contextlib
import http.client
import struct
import urllib.parse
import urllib.request
from collections.abc import Iterator
from typing import Final

from . import addresses, channel, control, own_address

_TIMES: Final = 16
_HOST: Final = "rehearsal.invalid"
URLS: Final = (f"http://{_HOST}/?a=b", f"https://{_HOST}/?a=b")
_BODY: Final = b'{"a": 1}'
_FIELDS: Final = (
    (b"content-type", b"application/json"),
    (b"content-length", str(len(_BODY)).encode()),
    (b"date", b"Thu, 01 Jan 1970 00:00:00 GMT"),
    (b"server", b"rehearsal"),
)
_HANDLE: Final = 1
# TLS 1.3, without a protocol and a certificate.
_TLS: Final = struct.pack("<HB22sBH", 0x0304, 22, b"TLS_AES_128_GCM_SHA256", 0, 0)


class _Host:
    """A transport whose other end answers each request at once."""

    def __init__(self) -> None:
        self._reply = memoryview(b"")

    def write(self, header: bytes, payload: bytes | memoryview) -> None:
        """Takes one frame."""
        _, command, _, _, arg, _ = struct.unpack("<BBHIII", header)
        value, body = _HANDLE, b""
        if command == channel.REQUEST and arg & channel.WHOLE:
            body = struct.pack("<I", len(_BODY))
        elif command == channel.HEAD:
            value, body = channel.LAST | channel.CLOSED, _head() + _BODY
        elif command == channel.TLS_INFO:
            body = _TLS
        elif command == channel.POLL:
            interests = bytes(payload[12::8])
            value, body = len(interests), interests
        self._reply = memoryview(struct.pack("<BBBBIII", 1, 0, 0, 0, value, 0, len(body)) + body)

    def read_into(self, view: memoryview) -> int:
        """Gives the reply."""
        count = min(len(view), len(self._reply))
        view[:count] = self._reply[:count]
        self._reply = self._reply[count:]
        return count


def _head() -> bytes:
    head = struct.pack("<HBxH", 200, 11, 2) + b"OK" + struct.pack("<H", len(_FIELDS))
    for name, value in _FIELDS:
        head += struct.pack("<HI", len(name), len(value)) + name + value
    return struct.pack("<I", len(head)) + head


@contextlib.contextmanager
def answered() -> Iterator[None]:
    """Lets the host that answers here take all requests; afterwards nothing of them is left."""
    port = own_address.own_port()
    control.use_transport(_Host())
    try:
        yield
    finally:
        control.use_transport(None)
        own_address.begin_with(port)
        addresses.TABLE.forget()
        urllib.parse.clear_cache()  # type: ignore[attr-defined]


def rehearse() -> None:
    """Makes the requests."""
    with answered():
        for _ in range(_TIMES):
            for url in URLS:
                _ask(url)
            _ask_by_connections()


def _ask(url: str) -> None:
    # Not `urlopen`: it would remember its opener.
    opener = urllib.request.build_opener()
    with opener.open(url, timeout=1) as response:
        response.read()
    with opener.open(urllib.request.Request(url, _BODY)) as response:
        response.read()


def _ask_by_connections() -> None:
    connection = http.client.HTTPConnection(_HOST, timeout=1)
    for method, body in (("GET", None), ("GET", None), ("POST", _BODY)):
        connection.request(method, "/", body, {"Accept": "*/*"})
        connection.getresponse().read()
    connection.close()
