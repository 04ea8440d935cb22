"""``urllib3``, its ``PoolManager`` directly. Arguments: see ``columns``."""

from __future__ import annotations

import io

import urllib3
from columns import DOWNLOAD, LONG, SHORT, downloaded, seen, show, summary, upload
from urllib3.util import Retry, Timeout


def get(base: str) -> object:
    with urllib3.PoolManager() as pool:
        response = pool.request("GET", base + "/get", fields={"q": "ä b"}, headers={"X-Test": "y"})
        return [response.status, seen(response.json())]


def post(base: str) -> object:
    with urllib3.PoolManager() as pool:
        response = pool.request("POST", base + "/get", json={"a": [1, None]})
        form = pool.request("POST", base + "/get", fields={"a": "ä"}, encode_multipart=False)
        file = {"file": ("name.bin", bytes(range(256)))}
        parts = pool.request("POST", base + "/echo", fields=file, multipart_boundary="edge")
    return [response.status, seen(response.json()), seen(form.json()), summary(parts.data)]


def reuse(base: str) -> object:
    with urllib3.PoolManager(num_pools=1, maxsize=1, block=True) as pool:
        numbers = {pool.request("GET", base + "/connection").data for _ in range(5)}
        connections = [each.num_connections for each in pool.pools._container.values()]
    return [len(numbers), connections]


def download(base: str) -> object:
    with urllib3.PoolManager() as pool:
        response = pool.request("GET", f"{base}/bytes/{DOWNLOAD}", preload_content=False)
        pieces = list(response.stream(10_000))
        response.release_conn()
        return downloaded(pieces)


def as_file(base: str) -> object:
    """Reads a response as a file: by lines, into a buffer, and through ``io``."""
    with urllib3.PoolManager() as pool:
        response = pool.request("GET", base + "/stream/20", preload_content=False)
        response.auto_close = False  # type: ignore[attr-defined]
        found = [line.strip() for line in io.TextIOWrapper(response)]  # type: ignore[type-var]
        response = pool.request("GET", base + "/bytes/100", preload_content=False)
        buffer = bytearray(10)
        beginning = [response.readinto(buffer), buffer.hex(), response.read(5).hex()]
        response.drain_conn()
        response = pool.request("GET", base + "/gzip", headers={"Accept-Encoding": "gzip"})
        return [found, beginning, response.headers["Content-Encoding"], response.json()["method"]]


def streaming_upload(base: str) -> object:
    with urllib3.PoolManager() as pool:
        response = pool.request("POST", base + "/echo", body=upload())
        return [response.status, *summary(response.data)]


def redirects(base: str) -> object:
    found: list[object] = []
    with urllib3.PoolManager() as pool:
        for code in (301, 302, 303, 307, 308):
            url = f"{base}/redirect/{code}?to=/get?after"
            response = pool.request("POST", url, body=b"body")
            found.append([seen(response.json()), (response.geturl() or "")[-10:]])
        kept = pool.request("GET", base + "/redirect/302?to=/get", redirect=False)
        found.append([kept.status, kept.headers["Location"]])
        loop = base + "/redirect/302?to=/redirect/302?to=/redirect/302?to=/get"
        try:
            pool.request("GET", loop, retries=Retry(redirect=0))
        except urllib3.exceptions.MaxRetryError as error:
            found.append(str(error.reason))
    return found


def retries(base: str) -> object:
    """Which requests are retried, and how often."""
    with urllib3.PoolManager() as pool:
        policy = Retry(total=2, status_forcelist=[503], backoff_factor=0, raise_on_status=False)
        response = pool.request("GET", base + "/status/503", retries=policy)
        assert response.retries is not None
        history = [(one.method, one.status) for one in response.retries.history]
        try:
            pool.request("GET", base + "/status/503", retries=Retry(1, status_forcelist=[503]))
        except urllib3.exceptions.MaxRetryError as error:
            return [response.status, history, type(error.reason).__name__, str(error.reason)]
    return "no error"


def tls(base: str) -> object:
    with urllib3.PoolManager(cert_reqs="CERT_REQUIRED") as pool:
        return pool.request("GET", base + "/get").status


def plain(base: str) -> object:
    with urllib3.PoolManager() as pool:
        return pool.request("GET", base + "/get", retries=False).status


def denied(base: str) -> object:
    with urllib3.PoolManager() as pool:
        return pool.request("GET", base + "/get").status


def timeout(base: str) -> object:
    with urllib3.PoolManager(timeout=Timeout(connect=LONG, read=SHORT)) as pool:
        return pool.request("GET", base + "/slow", retries=False).status


def timeout_after_retries(base: str) -> object:
    with urllib3.PoolManager(timeout=Timeout(connect=LONG, read=SHORT)) as pool:
        return pool.request("GET", base + "/slow", retries=Retry(1)).status


show(
    {
        "get": get,
        "post": post,
        "reuse": reuse,
        "download": download,
        "download, as a file": as_file,
        "upload": streaming_upload,
        "redirects": redirects,
        "get, again": retries,
        "tls": tls,
        "untrusted": plain,
        "timeout": timeout,
        "timeout, after retries": timeout_after_retries,
        "denied": denied,
        "denied, without retries": plain,
    }
)
