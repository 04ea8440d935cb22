"""Streams with ``requests``. Arguments: see ``steps``."""

from __future__ import annotations

import requests
from steps import EVENTS, LONG, PATIENCE, Upload, acknowledge, held, show, wait_for_cut


def events(base: str, stream: str) -> object:
    found = []
    with requests.get(f"{base}/events/{EVENTS}?{stream}", stream=True, timeout=LONG) as response:
        for line in response.iter_lines(chunk_size=1):
            if line:
                found.append(line.decode())
                acknowledge(base, stream)
    return found


def upload(base: str, stream: str) -> object:
    pieces = Upload(base, stream).paced()
    return requests.post(f"{base}/take?{stream}", data=pieces, timeout=LONG).text


def held_upload(base: str, stream: str) -> object:
    upload = Upload(base, stream)
    try:
        requests.post(f"{base}/unread?{stream}", data=upload.endless(), timeout=PATIENCE)
    except requests.RequestException:
        return upload.held
    return "no timeout"


def held_download(base: str, stream: str) -> object:
    with requests.get(f"{base}/endless?{stream}", stream=True, timeout=LONG) as response:
        beginning = len(response.raw.read(1000))
        stands = held(base, stream)
    return [beginning, stands, wait_for_cut(base, stream)]


def closed_early(base: str, stream: str) -> object:
    with requests.get(f"{base}/events/{EVENTS}?{stream}", stream=True, timeout=LONG) as response:
        first = next(response.iter_lines(chunk_size=1)).decode()
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
