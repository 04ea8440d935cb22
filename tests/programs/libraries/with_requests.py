"""``requests``. Arguments: see ``columns``."""

from __future__ import annotations

import requests
from columns import DOWNLOAD, LATER, LONG, SHORT, downloaded, seen, show, summary, upload


def get(base: str) -> object:
    response = requests.get(base + "/get", params={"q": "ä b"}, headers={"X-Test": "yes"})
    return [response.status_code, seen(response.json())]


def post(base: str) -> object:
    response = requests.post(base + "/get", json={"a": [1, None]})
    form = requests.post(base + "/get", data={"a": "1", "b": ["2", "ä"]})
    return [response.status_code, seen(response.json()), seen(form.json())]


def reuse(base: str) -> object:
    with requests.Session() as session:
        session.headers["X-Test"] = "of the session"
        numbers = {session.get(base + "/connection").text for _ in range(5)}
        last = session.post(base + "/get", data=b"last").json()
    return [len(numbers), seen(last)]


def download(base: str) -> object:
    with requests.get(f"{base}/bytes/{DOWNLOAD}", stream=True) as response:
        return downloaded(list(response.iter_content(10_000)))


def lines(base: str) -> object:
    with requests.get(base + "/stream/20", stream=True) as response:
        return [line.decode() for line in response.iter_lines()]


def streaming_upload(base: str) -> object:
    response = requests.post(base + "/echo", data=upload())
    return [response.status_code, *summary(response.content)]


def redirects(base: str) -> object:
    found = []
    for code in (301, 302, 303, 307, 308):
        url = f"{base}/redirect/{code}?to=/get?after"
        response = requests.post(url, data=b"body")
        found.append([[one.status_code for one in response.history], seen(response.json())])
    try:
        with requests.Session() as session:
            session.max_redirects = 3
            session.get(base + "/redirect/302?to=/loop")
    except requests.TooManyRedirects as error:
        found.append([type(error).__name__])
    return found


def cookies(base: str) -> object:
    with requests.Session() as session:
        session.get(base + "/set-cookie?a=1;%20Path=/&b=2;%20Path=/get&c=3;%20Path=/other")
        kept = sorted((one.name, one.value, one.path) for one in session.cookies)
        sent = dict(session.get(base + "/get").json()["headers"]).get("cookie", "")
        session.get(base + "/set-cookie?a=gone;%20Path=/;%20Max-Age=0")
        later = dict(session.get(base + "/get").json()["headers"]).get("cookie", "")
    return [kept, sorted(sent.split("; ")), later]


def tls(base: str) -> object:
    return requests.get(base + "/get", verify=True).status_code


def timeout(base: str) -> object:
    return requests.get(base + "/slow", timeout=(LONG, SHORT)).status_code


def timeout_in_body(base: str) -> object:
    return requests.get(base + "/slow-body", timeout=(LONG, LATER)).text


def plain(base: str) -> object:
    return requests.get(base + "/get", timeout=LONG).status_code


show(
    {
        "get": get,
        "post": post,
        "reuse": reuse,
        "download": download,
        "download, lines": lines,
        "upload": streaming_upload,
        "redirects": redirects,
        "cookies": cookies,
        "tls": tls,
        "untrusted": plain,
        "timeout": timeout,
        "timeout, in the body": timeout_in_body,
        "denied": plain,
    }
)
