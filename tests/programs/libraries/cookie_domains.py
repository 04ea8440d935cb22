"""Cookies go to the domain and the path that set them. Argument: the port of all hosts."""

from __future__ import annotations

import http.cookiejar
import json
import sys
import urllib.request
from collections.abc import Callable

import httpx
import requests
from report import attempt

PORT = sys.argv[1]
# The cookies of each host: one of its own, and one for its whole domain.
SETTING = (
    "/set-cookie?own=1;%20Path=/&all=2;%20Path=/;%20Domain=shop.test&foreign=3;%20Domain=a.test"
)
ASKED = ("www.shop.test/get", "other.shop.test/get", "shop.test/get", "myshop.test/get")
Fetch = Callable[[str], str]


def with_urllib() -> Fetch:
    jar = http.cookiejar.CookieJar()
    opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(jar))

    def fetch(url: str) -> str:
        with opener.open(url) as response:
            text: str = response.read().decode()
            return text

    return fetch


def with_requests() -> Fetch:
    session = requests.Session()
    return lambda url: session.get(url).text


def with_httpx() -> Fetch:
    client = httpx.Client()
    return lambda url: client.get(url).text


def sent(client: Callable[[], Fetch]) -> object:
    """The cookies that arrive at each host after `www.shop.test` has set some."""
    fetch = client()
    fetch(f"http://www.shop.test:{PORT}{SETTING}")
    found = {}
    for asked in ASKED:
        host, _, path = asked.partition("/")
        fields = dict(json.loads(fetch(f"http://{host}:{PORT}/{path}"))["headers"])
        found[host] = sorted(fields.get("cookie", "").split("; "))
    return found


attempt("urllib", sent, with_urllib)
attempt("requests", sent, with_requests)
attempt("httpx", sent, with_httpx)
