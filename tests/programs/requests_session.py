"""Many requests in one ``requests.Session``. Arguments: base URL, number of requests."""

from __future__ import annotations

import sys

import requests
from report import emit

BASE, COUNT = sys.argv[1], int(sys.argv[2])

with requests.Session() as session:
    statuses = [session.get(f"{BASE}/get?{number}").status_code for number in range(COUNT)]
    posted = session.post(f"{BASE}/echo", data=b"the last").content

emit("session", [statuses.count(200), posted.decode()])
