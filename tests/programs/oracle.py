"""Guesses at a secret, sent in pieces that come back as they arrive.

Arguments: base URL, and how many bytes the host may hold back. ``guesses.json`` has pairs of a case
and a guess, with ``|`` between its pieces.
"""

from __future__ import annotations

import json
import pathlib
import sys
import urllib.parse

import frames
from report import attempt

URL = urllib.parse.urlsplit(sys.argv[1])
HELD = int(sys.argv[2])
CHUNKED = 2


def write(exchange: int, piece: bytes) -> None:
    while piece:
        reply = frames.call(frames.WRITE, exchange, 0, piece)
        if reply.status == frames.PENDING:
            frames.wait(exchange, frames.WRITABLE)
            continue
        if reply.status != frames.OK:
            raise AssertionError(f"write: {reply.outcome}")
        piece = piece[reply.value :]


def read_until(exchange: int, got: bytes, count: int) -> bytes:
    """Reads until this many bytes have arrived; with fewer it never ends."""
    while len(got) < count:
        got += frames.finished(frames.READ, exchange, 65536, frames.READABLE).payload
    return got


def guess(text: str) -> object:
    connection = frames.opened(str(URL.hostname), URL.port or 80)
    exchange = frames.requested(connection, b"/duplex", CHUNKED)
    first, second = text.encode().split(b"|")
    # A newline ends every occurrence of a value, except after base64.
    line = second + b"!\n"
    pieces = [b"-" * 200, first, second, b"!" * 40, b"line\n", first, line, b"!" * 200]
    arrived, got, sent = [], b"", b""
    for piece in pieces:
        write(exchange, piece)
        sent += piece
        if sent == piece and frames.status_of(exchange) != 200:
            raise AssertionError("no answer")
        count = max(len(sent) - HELD, sent.rfind(b"\n") + 1, 0)
        got = read_until(exchange, got, count)
        arrived.append(len(got))
    if frames.call(frames.FINISH, exchange).status != frames.OK:
        raise AssertionError("the body has no end")
    got += frames.body_of(exchange)
    for handle in (exchange, connection):
        frames.call(frames.CLOSE, handle)
    return {"arrived": arrived, "left": len(sent) - len(got), "text": got.decode()}


for case, text in json.loads(pathlib.Path("guesses.json").read_text()):
    attempt(case, guess, text)
