"""One point of a curve; prints how many seconds it took. Arguments: base URL, kind, size."""

from __future__ import annotations

import http.client
import sys
import time
import urllib.parse

BASE, KIND, SIZE = sys.argv[1], sys.argv[2], int(sys.argv[3])
PARTS = urllib.parse.urlsplit(BASE)
connection = http.client.HTTPConnection(PARTS.hostname or "", PARTS.port, timeout=60)


def get(path: str, headers: dict[str, str] | None = None) -> int:
    connection.request("GET", path, headers=headers or {})
    response = connection.getresponse()
    length = 0
    while piece := response.read(1 << 17):
        length += len(piece)
    if response.status != 200:
        raise SystemExit(f"the server answered {response.status}")
    return length


get("/get")
start = time.perf_counter()
if KIND == "body":
    if SIZE >= 1 << 20:
        get(f"/large/{SIZE >> 20}")
    else:
        get(f"/bytes/{SIZE}")
elif KIND == "requests":
    for _ in range(SIZE):
        get("/bytes/100")
else:
    get("/get", {f"X-Field-{number}": "value" for number in range(SIZE)})
print(time.perf_counter() - start)
