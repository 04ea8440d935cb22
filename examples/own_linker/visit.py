"""Prints a line for each URL: its status, or why it was not reached."""

import sys
import urllib.request

for url in sys.argv[1:]:
    try:
        print(url, urllib.request.urlopen(url).status)
    except OSError as error:
        print(url, error)
