"""``urllib.request`` in daily use. Arguments: the base URL of the HTTP server."""

from __future__ import annotations

import gzip
import hashlib
import http.cookiejar
import json
import sys
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from http.client import HTTPResponse
from typing import Any

from report import attempt, pattern

BASE = sys.argv[1]
FIELDS = ("content-type", "content-length", "transfer-encoding", "x-test", "authorization")


def fetch(path: str, **options: Any) -> HTTPResponse:
    """Open a path of the server."""
    response: HTTPResponse = urllib.request.urlopen(urllib.request.Request(BASE + path, **options))
    return response


def seen(path: str, **options: Any) -> dict[str, object]:
    """The request as the server received it, and the form of its answer."""
    with fetch(path, **options) as response:
        body = json.load(response)
        headers = {name: value for name, value in body["headers"] if name in FIELDS}
        return {
            "status": response.status,
            "reason": response.reason,
            "type": response.headers.get_content_type(),
            **{name: body[name] for name in ("method", "path", "length", "sha256")},
            "headers": headers,
        }


def head() -> object:
    with fetch("/bytes/1000", method="HEAD") as response:
        return [response.status, response.headers["Content-Length"], len(response.read())]


def status(code: int) -> object:
    try:
        with fetch(f"/status/{code}") as response:
            return [response.status, response.read().decode()]
    except urllib.error.HTTPError as error:
        return ["HTTPError", error.code, error.reason, error.read().decode()]


def redirect(code: int, to: str) -> object:
    target = urllib.parse.quote(to, safe="")
    with fetch(f"/redirect/{code}?to={target}") as response:
        return [response.status, response.url.removeprefix(BASE)]


def form() -> object:
    return seen("/get", data=urllib.parse.urlencode({"a": "1", "ä": "&"}).encode())


def post_json() -> object:
    body = json.dumps({"a": [1, None]}).encode()
    return seen("/get", data=body, headers={"Content-Type": "application/json"})


def multipart() -> object:
    body = (
        b'--edge\r\nContent-Disposition: form-data; name="f"; filename="b.bin"\r\n\r\n'
        + pattern(3000)
        + b"\r\n--edge--\r\n"
    )
    return seen(
        "/upload", data=body, headers={"Content-Type": "multipart/form-data; boundary=edge"}
    )


def chunked() -> object:
    def pieces() -> Iterator[bytes]:
        for length in (1, 70_000, 5):
            yield pattern(length)

    return seen("/upload", data=pieces(), method="POST")


def cookies() -> object:
    jar = http.cookiejar.CookieJar()
    opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(jar))
    with opener.open(BASE + "/cookies") as response:
        lines = response.headers.get_all("Set-Cookie")
    with opener.open(BASE + "/get") as response:
        sent = dict(json.load(response)["headers"]).get("cookie")
    return [lines, sorted((cookie.name, cookie.value) for cookie in jar), sent]


def gzipped() -> object:
    with fetch("/gzip", headers={"Accept-Encoding": "gzip"}) as response:
        body = json.loads(gzip.decompress(response.read()))
        return [response.headers["Content-Encoding"], body["method"]]


def basic_auth() -> object:
    manager = urllib.request.HTTPPasswordMgrWithDefaultRealm()
    manager.add_password(None, BASE, "user", "secret")
    opener = urllib.request.build_opener(urllib.request.HTTPBasicAuthHandler(manager))
    with opener.open(BASE + "/auth") as response:
        return [response.status, response.read().decode()]


def streamed() -> object:
    with fetch("/stream/20") as response:
        first = response.readline().decode()
        return [first, len(response.read(10)), len(list(response))]


def digest(path: str) -> object:
    with fetch(path) as response:
        body = response.read()
        return [response.headers["Content-Length"], len(body), hashlib.sha256(body).hexdigest()]


def text(path: str) -> object:
    with fetch(path) as response:
        return response.read().decode()


attempt("get", seen, "/get")
attempt("get with a query", seen, "/get?a=1&b=%20", headers={"X-Test": "yes"})
attempt("post a form", form)
attempt("post json", post_json)
attempt("post nothing", seen, "/get", data=b"")
attempt("put", seen, "/get", data=b"put", method="PUT")
attempt("delete", seen, "/get", method="DELETE")
attempt("patch", seen, "/get", data=b"patch", method="PATCH")
attempt("head", head)
attempt("multipart", multipart)
attempt("chunked", chunked)
for code in (200, 201, 204, 304, 400, 404, 500, 503):
    attempt(f"status {code}", status, code)
for code in (301, 302, 303, 307, 308):
    attempt(f"redirect {code}", redirect, code, "/get")
attempt("redirect to a full url", redirect, 302, BASE + "/get")
attempt("cookies", cookies)
attempt("gzip", gzipped)
attempt("basic auth", basic_auth)
attempt("stream", streamed)
attempt("events", text, "/sse/3")
attempt("connection close", text, "/close")
attempt("bytes", digest, "/bytes/100000")
attempt("no bytes", digest, "/bytes/0")
attempt("all bytes", digest, "/all-bytes")
