"""``httpx``, its synchronous client. Arguments: see ``columns``."""

from __future__ import annotations

import httpx
from columns import DOWNLOAD, LATER, LONG, SHORT, downloaded, seen, show, summary, upload


def get(base: str) -> object:
    response = httpx.get(base + "/get", params={"q": "ä b"}, headers={"X-Test": "yes"})
    return [response.status_code, response.reason_phrase, seen(response.json())]


def post(base: str) -> object:
    response = httpx.post(base + "/get", json={"a": [1, None]})
    form = httpx.post(base + "/get", data={"a": "1", "b": ["2", "ä"]})
    parts = httpx.post(base + "/echo", files={"file": ("name.bin", bytes(range(256)))})
    return [
        response.status_code,
        seen(response.json()),
        seen(form.json()),
        bytes(range(256)) in parts.content,
    ]


def reuse(base: str) -> object:
    with httpx.Client(base_url=base, headers={"X-Test": "of the client"}) as client:
        numbers = {client.get("/connection").text for _ in range(5)}
        return [len(numbers), seen(client.post("/get", content=b"last").json())]


def download(base: str) -> object:
    with httpx.stream("GET", f"{base}/bytes/{DOWNLOAD}") as response:
        return downloaded(list(response.iter_bytes(10_000)))


def lines(base: str) -> object:
    with httpx.stream("GET", base + "/stream/20") as response:
        return list(response.iter_lines())


def streaming_upload(base: str) -> object:
    response = httpx.post(base + "/echo", content=upload())
    return [response.status_code, *summary(response.content)]


def redirects(base: str) -> object:
    found: list[object] = []
    with httpx.Client(follow_redirects=True, max_redirects=3) as client:
        for code in (301, 302, 303, 307, 308):
            response = client.post(f"{base}/redirect/{code}?to=/get?after", content=b"body")
            found.append([[one.status_code for one in response.history], seen(response.json())])
    response = httpx.get(base + "/redirect/302?to=/get")
    assert response.next_request is not None
    return [*found, response.status_code, response.next_request.url.path]


def cookies(base: str) -> object:
    with httpx.Client() as client:
        client.get(base + "/set-cookie?a=1;%20Path=/&b=2;%20Path=/get&c=3;%20Path=/other")
        kept = sorted((one.name, one.value, one.path) for one in client.cookies.jar)
        sent = dict(client.get(base + "/get").json()["headers"]).get("cookie", "")
    return [kept, sorted(sent.split("; "))]


def plain(base: str) -> object:
    return httpx.get(base + "/get", timeout=LONG).status_code


def timeout(base: str) -> object:
    return httpx.get(base + "/slow", timeout=httpx.Timeout(LONG, read=SHORT)).status_code


def timeout_in_body(base: str) -> object:
    return httpx.get(base + "/slow-body", timeout=httpx.Timeout(LONG, read=LATER)).text


def compressed(base: str) -> object:
    response = httpx.get(base + "/gzip")
    return [response.headers["Content-Encoding"], response.json()["method"]]


show(
    {
        "get": get,
        "get, compressed": compressed,
        "post": post,
        "reuse": reuse,
        "download": download,
        "download, lines": lines,
        "upload": streaming_upload,
        "redirects": redirects,
        "cookies": cookies,
        "tls": plain,
        "untrusted": plain,
        "timeout": timeout,
        "timeout, in the body": timeout_in_body,
        "denied": plain,
    }
)
