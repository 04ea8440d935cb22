"""Certificates of all kinds. Arguments: name=URL for each server."""

from __future__ import annotations

import http.client
import socket
import ssl
import sys
import urllib.parse
import urllib.request

from report import attempt


def with_urllib(url: str) -> object:
    with urllib.request.urlopen(url + "/all-bytes") as response:
        return response.read() == bytes(range(256))


def session(url: str) -> object:
    """What a program can read about a TLS session."""
    parts = urllib.parse.urlsplit(url)
    assert parts.hostname is not None
    context = ssl.create_default_context()
    connection = http.client.HTTPSConnection(parts.hostname, parts.port, context=context)
    connection.connect()
    sock = connection.sock
    assert isinstance(sock, ssl.SSLSocket)
    certificate = sock.getpeercert()
    cipher = sock.cipher()
    assert certificate is not None and cipher is not None
    names = sorted(str(name[1]) for name in certificate["subjectAltName"])
    der = sock.getpeercert(binary_form=True)
    assert der is not None
    details = [sock.version(), cipher[0].startswith("TLS_"), names, der[:1] == b"\x30"]
    connection.close()
    return details


def pinned(url: str) -> object:
    """The versions that are used if a program restricts them; the server speaks both."""
    parts = urllib.parse.urlsplit(url)
    highest, lowest, without = (ssl.create_default_context() for _ in range(3))
    highest.maximum_version = ssl.TLSVersion.TLSv1_2
    lowest.minimum_version = ssl.TLSVersion.TLSv1_3
    without.options |= ssl.OP_NO_TLSv1_3
    versions = []
    for context in (highest, lowest, without):
        with (
            socket.create_connection((parts.hostname, parts.port or 443)) as sock,
            context.wrap_socket(sock, server_hostname=parts.hostname) as secure,
        ):
            versions.append(secure.version())
    return versions


for argument in sys.argv[1:]:
    name, _, url = argument.partition("=")
    attempt(name, with_urllib, url)
    if name == "good":
        attempt("session", session, url)
        attempt("pinned", pinned, url)
