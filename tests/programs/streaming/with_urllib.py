"""Streams with ``urllib`` and ``http.client``. Arguments: see ``steps``."""

from __future__ import annotations

import http.client
import socket
import urllib.request
from urllib.parse import urlsplit

from steps import EVENTS, LONG, PATIENCE, Upload, acknowledge, held, show, wait_for_cut


def events(base: str, stream: str) -> object:
    found = []
    with urllib.request.urlopen(f"{base}/events/{EVENTS}?{stream}", timeout=LONG) as response:
        for line in response:
            if line.strip():
                found.append(line.decode())
                acknowledge(base, stream)
    return found


def events_by_pieces(base: str, stream: str) -> object:
    """`read1` returns what has arrived."""
    found = []
    with urllib.request.urlopen(f"{base}/events/{EVENTS}?{stream}", timeout=LONG) as response:
        while piece := response.read1(1000):
            found.append(piece.decode())
            acknowledge(base, stream)
    return found


def upload(base: str, stream: str) -> object:
    pieces = Upload(base, stream).paced()
    request = urllib.request.Request(f"{base}/take?{stream}", data=pieces, method="POST")
    with urllib.request.urlopen(request, timeout=LONG) as response:
        return response.read().decode()


def held_upload(base: str, stream: str) -> object:
    upload = Upload(base, stream)
    request = urllib.request.Request(f"{base}/unread?{stream}", data=upload.endless())
    try:
        urllib.request.urlopen(request, timeout=PATIENCE)
    except OSError:
        return upload.held
    return "no timeout"


def held_download(base: str, stream: str) -> object:
    with urllib.request.urlopen(f"{base}/endless?{stream}", timeout=LONG) as response:
        beginning = len(response.read(1000))
        stands = held(base, stream)
    return [beginning, stands, wait_for_cut(base, stream)]


def closed_early(base: str, stream: str) -> object:
    with urllib.request.urlopen(f"{base}/events/{EVENTS}?{stream}", timeout=LONG) as response:
        first = response.readline().decode()
    return [first, wait_for_cut(base, stream)]


def shut_down(base: str, stream: str) -> object:
    """The server sees the end of a connection whose descriptor stays open."""
    url = urlsplit(base)
    secure = url.scheme == "https"
    kind = http.client.HTTPSConnection if secure else http.client.HTTPConnection
    connection = kind(url.netloc, timeout=LONG)
    connection.request("GET", f"/events/{EVENTS}?{stream}")
    response = connection.getresponse()
    first = response.readline().decode()
    connection.sock.shutdown(socket.SHUT_RDWR)
    outcome = [first, wait_for_cut(base, stream), connection.sock.fileno() >= 0]
    connection.close()
    return outcome


show(
    {
        "events": events,
        "events by pieces": events_by_pieces,
        "upload": upload,
        "held upload": held_upload,
        "held download": held_download,
        "closed early": closed_early,
        "shut down": shut_down,
    }
)
