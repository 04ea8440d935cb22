"""Large bodies up and down in bounded memory. Arguments: base URL, MiB."""

from __future__ import annotations

import hashlib
import json
import sys
import urllib.request

from report import attempt, pattern_pieces

BASE, MIB = sys.argv[1], int(sys.argv[2])
LENGTH = MIB << 20


def down() -> object:
    digest, length = hashlib.sha256(), 0
    with urllib.request.urlopen(f"{BASE}/large/{MIB}") as response:
        while piece := response.read(1 << 16):
            digest.update(piece)
            length += len(piece)
    return [length, digest.hexdigest()]


def up(headers: dict[str, str]) -> object:
    request = urllib.request.Request(
        BASE + "/upload", data=pattern_pieces(LENGTH), headers=headers, method="POST"
    )
    with urllib.request.urlopen(request) as response:
        seen = json.load(response)
    return [seen["length"], seen["sha256"]]


attempt("down", down)
attempt("up, sized", up, {"Content-Length": str(LENGTH)})
attempt("up, chunked", up, {})
