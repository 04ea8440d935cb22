"""``urllib.request`` with ``http.cookiejar``. Arguments: see ``columns``."""

from __future__ import annotations

import http.cookiejar
import json
import pathlib
import urllib.request

from columns import DOWNLOAD, LATER, LONG, downloaded, seen, show, summary, upload


def _opener(jar: http.cookiejar.CookieJar) -> urllib.request.OpenerDirector:
    return urllib.request.build_opener(urllib.request.HTTPCookieProcessor(jar))


def _sent(opener: urllib.request.OpenerDirector, url: str) -> list[str]:
    """The cookies that arrive at the server."""
    with opener.open(url) as response:
        fields = dict(json.load(response)["headers"])
    return sorted(fields.get("cookie", "").split("; "))


def get(base: str) -> object:
    request = urllib.request.Request(base + "/get?q=1", headers={"X-Test": "yes"})
    with urllib.request.urlopen(request, timeout=LONG) as response:
        return [response.status, response.reason, seen(json.load(response))]


def post(base: str) -> object:
    with urllib.request.urlopen(base + "/get", b"some bytes", timeout=LONG) as response:
        return [response.status, seen(json.load(response))]


def download(base: str) -> object:
    with urllib.request.urlopen(f"{base}/bytes/{DOWNLOAD}", timeout=LONG) as response:
        return downloaded(list(iter(lambda: response.read(10_000), b"")))


def streaming_upload(base: str) -> object:
    request = urllib.request.Request(base + "/echo", data=upload(), method="POST")
    with urllib.request.urlopen(request, timeout=LONG) as response:
        return [response.status, *summary(response.read())]


def cookies(base: str) -> object:
    jar = http.cookiejar.CookieJar()
    opener = _opener(jar)
    setting = (
        "/set-cookie?a=1;%20Path=/&b=2;%20Path=/get&c=3;%20Path=/other&d=4;%20Path=/;%20Secure"
    )
    opener.open(base + setting).close()
    kept = sorted((one.name, one.value, one.path, one.secure) for one in jar)
    found = [kept, _sent(opener, base + "/get"), _sent(opener, base + "/upload")]
    opener.open(base + "/set-cookie?a=;%20Path=/;%20Max-Age=0").close()
    return [*found, _sent(opener, base + "/get")]


def other_host(base: str) -> object:
    """A cookie of an address is not sent to a name, although it is the same server."""
    opener = _opener(http.cookiejar.CookieJar())
    opener.open(base + "/set-cookie?a=1;%20Path=/").close()
    named = base.replace("127.0.0.1", "localhost")
    return [_sent(opener, base + "/get"), _sent(opener, named + "/get")]


def in_a_file(base: str) -> object:
    path = pathlib.Path("cookies.txt")
    jar = http.cookiejar.MozillaCookieJar(path)
    _opener(jar).open(base + "/set-cookie?a=1;%20Path=/;%20Max-Age=1000").close()
    jar.save()
    again = http.cookiejar.MozillaCookieJar(path)
    again.load()
    path.unlink()
    return _sent(_opener(again), base + "/get")


def through_a_redirect(base: str) -> object:
    opener = _opener(http.cookiejar.CookieJar())
    opener.open(base + "/set-cookie?a=1;%20Path=/").close()
    with opener.open(base + "/redirect/302?to=/get") as response:
        return seen(json.load(response))


def plain(base: str) -> object:
    with _opener(http.cookiejar.CookieJar()).open(base + "/get", timeout=LONG) as response:
        return response.status


def timeout(base: str) -> object:
    with _opener(http.cookiejar.CookieJar()).open(base + "/slow", timeout=LATER) as response:
        return response.status


show(
    {
        "get": get,
        "post": post,
        "download": download,
        "upload": streaming_upload,
        "redirects": through_a_redirect,
        "cookies": cookies,
        "cookies, other host": other_host,
        "cookies, in a file": in_a_file,
        "tls": plain,
        "untrusted": plain,
        "timeout": timeout,
        "denied": plain,
    }
)
