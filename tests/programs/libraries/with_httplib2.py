"""``httplib2``. Arguments: see ``columns``."""

from __future__ import annotations

import json

import httplib2  # type: ignore[import-untyped]
from columns import LATER, LONG, seen, show, summary
from report import pattern


def get(base: str) -> object:
    response, body = httplib2.Http().request(base + "/get?q=1", headers={"X-Test": "yes"})
    compressed, _ = httplib2.Http().request(base + "/gzip")
    return [response.status, seen(json.loads(body)), compressed["-content-encoding"]]


def post(base: str) -> object:
    response, body = httplib2.Http().request(base + "/echo", "POST", body=pattern(70_000))
    return [response.status, *summary(body)]


def reuse(base: str) -> object:
    http = httplib2.Http()
    numbers = {http.request(base + "/connection")[1] for _ in range(5)}
    return [len(numbers), len(http.connections)]


def redirects(base: str) -> object:
    found: list[object] = []
    for code in (301, 302, 303, 307, 308):
        response, body = httplib2.Http().request(f"{base}/redirect/{code}?to=/get?after")
        found.append([response.previous.status, seen(json.loads(body))])
    try:
        httplib2.Http().request(base + "/redirect/302?to=/redirect/302", redirections=2)
    except httplib2.HttpLib2Error as error:
        found.append(type(error).__name__)
    return found


def plain(base: str) -> object:
    return httplib2.Http(timeout=LONG).request(base + "/get")[0].status


def timeout(base: str) -> object:
    return httplib2.Http(timeout=LATER).request(base + "/slow")[0].status


show(
    {
        "get": get,
        "post": post,
        "reuse": reuse,
        "redirects": redirects,
        "tls": plain,
        "untrusted": plain,
        "timeout": timeout,
        "denied": plain,
    }
)
