"""One large upload; prints how many seconds it took. Arguments: URL, MiB."""

import sys
import time
import urllib.request

body = bytes(int(sys.argv[2]) << 20)
request = urllib.request.Request(sys.argv[1], data=body, method="POST")
start = time.perf_counter()
with urllib.request.urlopen(request) as response:
    if int(response.read()) != len(body):
        raise SystemExit("not all of it arrived")
print(time.perf_counter() - start)
