"""``requests`` in daily use. Arguments: the base URL of the HTTP server."""

from __future__ import annotations

import hashlib
import io
import sys
from collections.abc import Iterator
from typing import Any

import requests
from report import attempt, pattern

BASE = sys.argv[1]
FIELDS = ("content-length", "transfer-encoding", "x-test")


def seen(method: str, path: str = "/get", **options: Any) -> dict[str, object]:
    """The request as the server received it."""
    response = requests.request(method, BASE + path, **options)
    body = response.json()
    headers = dict(body["headers"])
    kind = headers.get("content-type", "").split(";")[0]
    return {
        "status": response.status_code,
        **{name: body[name] for name in ("method", "path", "length")},
        "type": kind,
        "headers": {name: headers[name] for name in FIELDS if name in headers},
    }


def uploaded(**options: Any) -> object:
    """Length and digest of what ``/echo`` returned of a POST."""
    response = requests.post(BASE + "/echo", **options)
    return [len(response.content), hashlib.sha256(response.content).hexdigest()]


def file_upload() -> object:
    files = {"file": ("name.bin", io.BytesIO(bytes(range(256))), "application/octet-stream")}
    response = requests.post(BASE + "/echo", files=files, data={"field": "value"})
    body = response.content
    kind = str(response.request.headers["Content-Type"]).split(";")[0]
    parts = [bytes(range(256)) in body, b'filename="name.bin"' in body, b"value" in body]
    return [response.status_code, kind, parts]


def pieces() -> Iterator[bytes]:
    for length in (1, 70_000, 5):
        yield pattern(length)


def head() -> object:
    response = requests.head(BASE + "/bytes/1000")
    return [response.status_code, response.headers["Content-Length"], len(response.content)]


def streamed() -> object:
    with requests.get(BASE + "/bytes/300000", stream=True) as response:
        lengths = [len(piece) for piece in response.iter_content(65536)]
    with requests.get(BASE + "/stream/20", stream=True) as response:
        lines = list(response.iter_lines())
    with requests.get(BASE + "/bytes/300000", stream=True) as response:
        beginning = response.raw.read(10) == pattern(10)
    return [sum(lengths), max(lengths) <= 65536, len(lines), lines[-1].decode(), beginning]


def redirects() -> object:
    found: list[object] = []
    for code in (301, 302, 303, 307, 308):
        params = {"to": "/get?after"}
        response = requests.post(f"{BASE}/redirect/{code}", params=params, data=b"body")
        body = response.json()
        history = [before.status_code for before in response.history]
        found.append([history, body["method"], body["path"], body["length"]])
    response = requests.get(BASE + "/redirect/302?to=/get", allow_redirects=False)
    found.append([response.status_code, response.headers["Location"], response.is_redirect])
    return found


def cookies() -> object:
    with requests.Session() as session:
        response = session.get(BASE + "/cookies")
        lines = response.raw.headers.getlist("Set-Cookie")
        body = session.get(BASE + "/get").json()
        sent = sorted(dict(body["headers"])["cookie"].split("; "))
        return [lines, sorted(session.cookies.get_dict().items()), sent]


def gzipped() -> object:
    response = requests.get(BASE + "/gzip")
    return [response.headers["Content-Encoding"], response.json()["method"]]


def failure_status(code: int) -> object:
    response = requests.get(f"{BASE}/status/{code}")
    try:
        response.raise_for_status()
    except requests.HTTPError as error:
        return [response.status_code, response.ok, response.text, type(error).__name__]
    return [response.status_code, response.ok, response.text]


def basic_auth() -> object:
    wrong = requests.get(BASE + "/auth", auth=("user", "wrong"))
    right = requests.get(BASE + "/auth", auth=("user", "secret"))
    return [wrong.status_code, right.status_code, right.text]


def all_bytes() -> object:
    response = requests.get(BASE + "/all-bytes")
    return response.content == bytes(range(256))


attempt("get", seen, "GET", params={"q": "ä b"}, headers={"X-Test": "yes"})
attempt("post a form", seen, "POST", data={"a": "1", "b": ["2", "3"]})
attempt("post json", seen, "POST", json={"a": [1, None]})
attempt("post nothing", seen, "POST")
attempt("put", seen, "PUT", data=b"put")
attempt("delete", seen, "DELETE")
attempt("patch", seen, "PATCH", data=b"patch")
attempt("options", seen, "OPTIONS")
attempt("head", head)
attempt("file upload", file_upload)
attempt("file as the body", uploaded, data=io.BytesIO(pattern(70_000)))
attempt("chunked head", seen, "POST", "/upload", data=pieces())
attempt("chunked body", uploaded, data=pieces())
attempt("stream", streamed)
attempt("redirects", redirects)
attempt("cookies", cookies)
attempt("gzip", gzipped)
attempt("status 404", failure_status, 404)
attempt("status 500", failure_status, 500)
attempt("status 204", failure_status, 204)
attempt("basic auth", basic_auth)
attempt("all bytes", all_bytes)
