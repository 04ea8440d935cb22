"""One large upload; prints how many seconds it took. Arguments: URL, MiB."""

import http.client
import sys
import time
import urllib.parse
from collections.abc import Iterator

parts = urllib.parse.urlsplit(sys.argv[1])
size = int(sys.argv[2]) << 20
PIECE = bytes(1 << 17)


def pieces() -> Iterator[bytes]:
    for _ in range(size // len(PIECE)):
        yield PIECE


connection = http.client.HTTPConnection(parts.hostname or "", parts.port)
start = time.perf_counter()
connection.request("POST", parts.path, pieces(), {"Content-Length": str(size)})
answer = connection.getresponse()
answer.read()
elapsed = time.perf_counter() - start
if answer.status != 200:
    raise SystemExit(f"the server answered {answer.status}")
print(elapsed)
