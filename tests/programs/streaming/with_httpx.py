"""Streams with ``httpx``. Arguments: see ``steps``."""

from __future__ import annotations

import httpx
from steps import EVENTS, LONG, PATIENCE, Upload, acknowledge, held, show, wait_for_cut


def events(base: str, stream: str) -> object:
    found = []
    with httpx.stream("GET", f"{base}/events/{EVENTS}?{stream}", timeout=LONG) as response:
        for line in response.iter_lines():
            if line:
                found.append(line)
                acknowledge(base, stream)
    return found


def upload(base: str, stream: str) -> object:
    pieces = Upload(base, stream).paced()
    return httpx.post(f"{base}/take?{stream}", content=pieces, timeout=LONG).text


def held_upload(base: str, stream: str) -> object:
    upload = Upload(base, stream)
    try:
        httpx.post(f"{base}/unread?{stream}", content=upload.endless(), timeout=PATIENCE)
    except httpx.WriteTimeout:
        return upload.held
    return "no timeout"


def held_download(base: str, stream: str) -> object:
    with httpx.stream("GET", f"{base}/endless?{stream}", timeout=LONG) as response:
        beginning = next(response.iter_raw(1000))
        stands = held(base, stream)
    return [len(beginning), stands, wait_for_cut(base, stream)]


def closed_early(base: str, stream: str) -> object:
    with httpx.stream("GET", f"{base}/events/{EVENTS}?{stream}", timeout=LONG) as response:
        first = next(response.iter_lines())
    return [first, wait_for_cut(base, stream)]


show(
    {
        "events": events,
        "upload": upload,
        "held upload": held_upload,
        "held download": held_download,
        "closed early": closed_early,
    }
)
