"""What the demo runs: network code as anybody writes it."""

import sys
import urllib.request

import pandas as pd
import requests

base, forbidden = sys.argv[1:]

with urllib.request.urlopen(f"{base}/hello") as answer:
    print("urllib:  ", answer.status, answer.read().decode().strip())

with requests.Session() as session:
    order = {"item": "tea", "count": 3}
    response = session.post(f"{base}/orders", json=order, timeout=10)
    assert response.json() == order
    print("requests:", response.status_code, response.json())

cities = pd.read_csv(f"{base}/cities.csv")
print("pandas:  ", f"{cities['millions'].sum():.1f} million people in {len(cities)} cities")

try:
    requests.get(forbidden, timeout=10)
except requests.exceptions.ConnectionError as error:
    print("denied:  ", error)
else:
    sys.exit("a host that is not allowed was reached")
