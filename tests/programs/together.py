"""Many requests at once, over the control channel. Arguments: base URL, number of requests."""

from __future__ import annotations

import struct
import sys
import urllib.parse

import frames
from report import attempt

URL = urllib.parse.urlsplit(sys.argv[1])
COUNT = int(sys.argv[2])


def wait_for_all(command: int, handles: list[int]) -> list[frames.Reply]:
    """The replies to a command, once none of them is pending."""
    replies = {handle: frames.call(command, handle, 0) for handle in handles}
    while waiting := [one for one in handles if replies[one].status == frames.PENDING]:
        entries = [struct.pack("<IBxxx", handle, frames.PHASE) for handle in waiting]
        payload = struct.pack("<Q", frames.FOREVER) + b"".join(entries)
        if frames.call(frames.POLL, payload=payload).status != frames.OK:
            raise AssertionError("poll")
        replies.update((handle, frames.call(command, handle, 0)) for handle in waiting)
    return [replies[handle] for handle in handles]


def together() -> object:
    payload = frames.connect_payload(str(URL.hostname))
    port = URL.port or 80
    connections = [frames.call(frames.CONNECT, 0, port, payload).value for _ in range(COUNT)]
    for reply in wait_for_all(frames.STATUS, connections):
        if reply.status != frames.OK:
            raise AssertionError(f"connect: {reply.outcome}")
    exchanges = [frames.requested(connection) for connection in connections]
    heads = wait_for_all(frames.HEAD, exchanges)
    statuses = [struct.unpack_from("<H", head.payload)[0] for head in heads]
    for handle in (*exchanges, *connections):
        frames.call(frames.CLOSE, handle)
    return statuses


attempt("statuses", together)
