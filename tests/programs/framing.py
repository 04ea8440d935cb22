"""Correct answers in unusual forms. Arguments: the base URL of the raw server."""

from __future__ import annotations

import http.client
import sys
import urllib.parse

from report import attempt

URL = urllib.parse.urlsplit(sys.argv[1])
assert URL.hostname is not None


def fetch(path: str) -> object:
    connection = http.client.HTTPConnection(str(URL.hostname), URL.port)
    connection.request("GET", path, headers={"X-MiXed": "caf\xe9"})
    response = connection.getresponse()
    body = response.read().decode()
    connection.close()
    return [response.status, response.reason, response.version, response.getheaders(), body]


def closed_behind_its_back() -> object:
    connection = http.client.HTTPConnection(str(URL.hostname), URL.port)
    connection.request("GET", "/ok")
    first = connection.getresponse().read().decode()
    connection.close()
    connection.request("GET", "/ok")
    second = connection.getresponse().read().decode()
    connection.close()
    return [first, second]


for path in ("/ok", "/spelling", "/http10", "/close-delimited", "/in-pieces"):
    attempt(path, fetch, path)
attempt("closed between requests", closed_behind_its_back)
