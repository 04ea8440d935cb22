"""An honest guest: one request after the other over one connection, with pauses.

Arguments: the server's host and port, and the duration in seconds. Prints the times of all
requests, in milliseconds.
"""

import http.client
import json
import sys
import time

host, port, seconds = sys.argv[1], int(sys.argv[2]), float(sys.argv[3])
connection = http.client.HTTPConnection(host, port)
times = []
end = time.monotonic() + seconds
while time.monotonic() < end:
    begin = time.perf_counter()
    connection.request("GET", "/get")
    connection.getresponse().read()
    times.append((time.perf_counter() - begin) * 1000)
    time.sleep(0.05)
print(json.dumps(times))
