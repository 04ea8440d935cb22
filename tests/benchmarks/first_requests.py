"""The first response with requests. Argument: URL."""

import sys

import requests

requests.get(sys.argv[1], timeout=60).raise_for_status()
