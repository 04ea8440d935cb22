"""Tells whether a URL is reached: the argument."""

import sys
import urllib.error
import urllib.request

from report import emit

try:
    urllib.request.urlopen(sys.argv[1], timeout=20).read()
except urllib.error.URLError as error:
    emit("reached", "denied" if isinstance(error.reason, PermissionError) else "failed")
except OSError:
    emit("reached", "failed")
else:
    emit("reached", "answered")
