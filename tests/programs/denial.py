"""Servers that no rule allows. Arguments: allowed base URL, then name=URL for each denied one."""

from __future__ import annotations

import http.client
import socket
import sys
import urllib.parse
import urllib.request

import requests
from report import attempt

ALLOWED = sys.argv[1]
DENIED = dict(argument.split("=", 1) for argument in sys.argv[2:])


def with_urllib(url: str) -> object:
    with urllib.request.urlopen(url, timeout=20) as response:
        return response.status


def with_requests(url: str) -> object:
    return requests.get(url, timeout=20).status_code


def with_http_client(url: str) -> object:
    parts = urllib.parse.urlsplit(url)
    assert parts.hostname is not None
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    connection = kind(parts.hostname, parts.port, timeout=20)
    try:
        connection.request("GET", parts.path or "/")
        return connection.getresponse().status
    finally:
        connection.close()


def with_socket(url: str) -> object:
    parts = urllib.parse.urlsplit(url)
    with socket.create_connection((parts.hostname, parts.port), timeout=20) as sock:
        sock.sendall(b"GET / HTTP/1.1\r\nHost: %b\r\n\r\n" % parts.netloc.encode())
        return sock.recv(1) == b"H"


CLIENTS = {
    "urllib": with_urllib,
    "requests": with_requests,
    "http.client": with_http_client,
    "socket": with_socket,
}
for client, fetch in CLIENTS.items():
    attempt(f"{client} allowed", fetch, ALLOWED + "/get")
    for name, url in DENIED.items():
        attempt(f"{client} {name}", fetch, url)
attempt("allowed at the end", with_urllib, ALLOWED + "/get")
