"""Requests paths that servers could read in many ways, under a hundred patterns."""

import contextlib
import http.client
import sys

port = int(sys.argv[1])
path = "/v1/" + "a%2f..%5cb;c//" * 580 + "x"
while True:
    for method in ("GET", "POST"):
        for one in (path, path * 30):
            with contextlib.suppress(OSError, http.client.HTTPException):
                client = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
                client.request(method, one)
                client.getresponse().read()
            client.close()
