"""Guesses a secret by what is masked in responses."""

import contextlib
import http.client
import itertools
import os
import sys

port = int(sys.argv[1])
client = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
for number in itertools.count():
    fields = {"Authorization": os.environ["API_KEY"], "X-Guess": f"{number:08}"}
    fields["X-HTTP-Method-Override"] = "DELETE"
    if number % 2:
        del fields["X-HTTP-Method-Override"]
    with contextlib.suppress(OSError, http.client.HTTPException):
        client.request("GET", "/get", headers=fields)
        if b"sk-siege-secret" in client.getresponse().read():
            sys.exit("the secret was shown")
