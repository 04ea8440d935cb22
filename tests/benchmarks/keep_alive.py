"""Requests over one connection; prints how many seconds they took.

Arguments: URL, number, and for POSTs the size of their bodies.
"""

import sys
import time

import requests

url, count = sys.argv[1], int(sys.argv[2])
body = bytes(int(sys.argv[3])) if len(sys.argv) > 3 else None
method = "GET" if body is None else "POST"
with requests.Session() as session:
    session.request(method, url, data=body, timeout=60).raise_for_status()
    start = time.perf_counter()
    for _ in range(count):
        session.request(method, url, data=body, timeout=60).raise_for_status()
    print(time.perf_counter() - start)
