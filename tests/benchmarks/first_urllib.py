"""The first response with urllib. Argument: URL."""

import sys
import urllib.request

with urllib.request.urlopen(sys.argv[1]) as response:
    response.read()
