"""Requests over one connection; prints how many seconds they took. Arguments: URL, number."""

import sys
import time

import requests

url, count = sys.argv[1], int(sys.argv[2])
with requests.Session() as session:
    session.get(url, timeout=60).raise_for_status()
    start = time.perf_counter()
    for _ in range(count):
        session.get(url, timeout=60).raise_for_status()
    print(time.perf_counter() - start)
