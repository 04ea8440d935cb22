"""Opens connection after connection, and requests endless answers."""

import contextlib
import http.client
import sys

port, raw = int(sys.argv[1]), int(sys.argv[2])
while True:
    for number, path in (
        (port, "/bytes/10"),
        (raw, "/endless-informational"),
        (raw, "/many-fields"),
        (raw, "/long-field"),
        (raw, "/bad-chunk"),
    ):
        client = http.client.HTTPConnection("127.0.0.1", number, timeout=2)
        with contextlib.suppress(OSError, http.client.HTTPException):
            client.request("GET", path)
            client.getresponse().read()
        client.close()
