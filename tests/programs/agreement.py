"""Carries out a table of requests by frames, past Python's own parsers.

Argument: a file with the table as JSON. Between two of them it asks for a marker that no rule
allows, so that the log of the host shows where each begins. It reports one case for each.
"""

from __future__ import annotations

import json
import struct
import sys
from typing import TypedDict

import frames
from attack import carried_out, finished, open_by_frames, secure_by_frames
from report import attempt


class Entry(TypedDict):
    """One request; texts that become bytes are Latin-1."""

    scheme: str
    host: str
    port: int
    method: str
    path: str
    fields: list[str]


def sent(entry: Entry) -> object:
    """The status code of the response."""
    connection = open_by_frames(entry["host"], str(entry["port"]))
    try:
        if entry["scheme"] == "https":
            secure_by_frames(connection, "", True)
        return answered(connection, entry)
    finally:
        carried_out(frames.call(frames.CLOSE, connection))


def answered(connection: int, entry: Entry) -> object:
    """The status code of the response, whose body is read to its end."""
    method, path, *fields = [
        text.encode("latin-1") for text in (entry["method"], entry["path"], *entry["fields"])
    ]
    pairs = tuple(zip(fields[::2], fields[1::2], strict=True))
    payload = frames.request_payload(path, method, pairs)
    exchange = carried_out(frames.call(frames.REQUEST, connection, 0, payload)).value
    head = finished(frames.HEAD, exchange)
    frames.body_of(exchange)
    carried_out(frames.call(frames.CLOSE, exchange))
    return struct.unpack_from("<H", head.payload)[0]


def marked(index: int) -> object:
    """Asks for the marker of this entry."""
    return open_by_frames(f"marker-{index}.test", "1")


def main() -> None:
    with open(sys.argv[1], encoding="utf-8") as file:
        table: list[Entry] = json.load(file)
    for index, entry in enumerate(table):
        attempt(f"marker {index}", marked, index)
        attempt(str(index), sent, entry)


main()
