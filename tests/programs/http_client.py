"""``http.client`` in daily use. Arguments: the base URL of the HTTP server."""

from __future__ import annotations

import http.client
import io
import json
import sys
import urllib.parse
from collections.abc import Iterator

from report import attempt, pattern

URL = urllib.parse.urlsplit(sys.argv[1])


def connect() -> http.client.HTTPConnection:
    """A new connection to the server."""
    assert URL.hostname is not None
    if URL.scheme == "https":
        return http.client.HTTPSConnection(URL.hostname, URL.port)
    return http.client.HTTPConnection(URL.hostname, URL.port)


def keep_alive() -> object:
    connection = connect()
    answers = []
    for number in range(5):
        connection.request("GET", f"/get?{number}")
        response = connection.getresponse()
        answers.append([response.status, json.load(response)["path"], response.isclosed()])
    connection.close()
    return answers


def reading() -> object:
    connection = connect()
    connection.request("GET", "/bytes/5000")
    response = connection.getresponse()
    peeked = response.peek(4)[:4] == pattern(4)
    first = response.read(100)
    into = bytearray(200)
    count = response.readinto(into)
    one = response.read1(50)
    line = response.readline(20)
    rest = response.read()
    joined = first + bytes(into[:count]) + one + line + rest
    after = response.read()
    connection.close()
    return [peeked, len(first), len(joined), joined == pattern(5000), len(after)]


def is_real_io() -> object:
    connection = connect()
    connection.request("GET", "/stream/3")
    response = connection.getresponse()
    kinds = [isinstance(response, io.BufferedIOBase), isinstance(response.fp, io.BufferedReader)]
    lines = io.TextIOWrapper(response, "utf-8").read().splitlines()
    connection.close()
    return [kinds, lines]


def by_parts() -> object:
    connection = connect()
    connection.putrequest("POST", "/get", skip_accept_encoding=True)
    connection.putheader("Content-Length", "10")
    connection.putheader("X-Test", "one")
    connection.endheaders()
    for number in range(5):
        connection.send(b"%d\n" % number)
    body = json.load(connection.getresponse())
    connection.close()
    headers = dict(body["headers"])
    return [body["method"], body["length"], headers["x-test"], "accept-encoding" in headers]


def chunked() -> object:
    def pieces() -> Iterator[bytes]:
        yield from (b"one", b"two" * 10_000, b"three")

    connection = connect()
    connection.request("POST", "/upload", body=pieces(), encode_chunked=True)
    body = json.load(connection.getresponse())
    connection.request("POST", "/upload", body=io.BytesIO(pattern(50_000)))
    file = json.load(connection.getresponse())
    connection.close()
    return [[body[name], file[name]] for name in ("length", "sha256")]


def unread_answer() -> object:
    connection = connect()
    connection.request("GET", "/get")
    try:
        connection.request("GET", "/get")
    except http.client.CannotSendRequest as error:
        return type(error).__name__
    finally:
        connection.close()
    return "sent"


def headers_of_answer() -> object:
    connection = connect()
    connection.request("GET", "/cookies")
    response = connection.getresponse()
    cookies = [value for name, value in response.getheaders() if name.lower() == "set-cookie"]
    body = response.read().decode()
    connection.close()
    return [response.version, response.reason, cookies, body]


def closing_answer() -> object:
    connection = connect()
    connection.request("GET", "/close")
    response = connection.getresponse()
    body = response.read().decode()
    # The connection was closed; http.client opens another one by itself.
    connection.request("HEAD", "/bytes/7")
    second = connection.getresponse()
    length = second.getheader("Content-Length")
    connection.close()
    return [response.will_close, body, second.status, length, second.read().decode()]


def expect_continue() -> object:
    connection = connect()
    connection.request("POST", "/get", body=b"x" * 10, headers={"Expect": "100-continue"})
    body = json.load(connection.getresponse())
    connection.close()
    return [body["method"], body["length"]]


attempt("keep alive", keep_alive)
attempt("ways to read", reading)
attempt("a response is a real io object", is_real_io)
attempt("request by parts", by_parts)
attempt("chunked and file", chunked)
attempt("request before the answer was read", unread_answer)
attempt("headers of the answer", headers_of_answer)
attempt("after connection close", closing_answer)
attempt("expect 100-continue", expect_continue)
