"""An honest client: one request after the other over one session, and how long each took."""

import json
import sys
import time

import requests

url, seconds = sys.argv[1], float(sys.argv[2])
session = requests.Session()
session.get(url, timeout=30)
took: list[float] = []
failures: list[str] = []
end = time.monotonic() + seconds
while time.monotonic() < end:
    begun = time.perf_counter()
    try:
        body = session.get(url, timeout=30).content
        if len(body) != 1000:
            failures.append(f"{len(body)} bytes")
    except requests.RequestException as error:
        failures.append(repr(error))
    took.append(time.perf_counter() - begun)
took.sort()
print(
    json.dumps(
        {
            "requests": len(took),
            "failures": failures[:10],
            "failed": len(failures),
            "median_ms": took[len(took) // 2] * 1000,
            "p99_ms": took[len(took) * 99 // 100] * 1000,
            "max_ms": took[-1] * 1000,
        }
    )
)
