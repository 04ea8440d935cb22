"""What the native demo runs: threads, a native extension, and the network as anybody uses it."""

import _socket
import io
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy
import requests

base, forbidden = sys.argv[1:]

with requests.Session() as session:
    print("requests:", session.get(f"{base}/hello", timeout=10).text.strip())


def millions(_):
    table = requests.get(f"{base}/cities.csv", timeout=10).text
    return numpy.loadtxt(io.StringIO(table), delimiter=",", skiprows=1, usecols=2)


with ThreadPoolExecutor(3) as threads:
    read = numpy.mean(list(threads.map(millions, range(3))), axis=0)
print("numpy:   ", f"{read.sum():.1f} million people, read by three threads")

try:
    requests.get(forbidden, timeout=10)
except requests.exceptions.ConnectionError as error:
    print("denied:  ", error)
else:
    sys.exit("a host that is not allowed was reached")

# Below the patch: the kernel has no way there.
host, _, port = forbidden.removeprefix("https://").partition(":")
try:
    _socket.socket().connect(("127.0.0.1", int(port)))
except OSError as error:
    print("kernel:  ", error)
else:
    sys.exit("a host that is not allowed was reached")
