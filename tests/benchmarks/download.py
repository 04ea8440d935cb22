"""One large download; prints how many seconds it took. Argument: URL."""

import sys
import time
import urllib.request

start = time.perf_counter()
with urllib.request.urlopen(sys.argv[1]) as response:
    while response.read(1 << 17):
        pass
print(time.perf_counter() - start)
