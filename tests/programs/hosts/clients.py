"""What programs do with the network, to be compared between hosts: each case prints a line.

Arguments: the origin of the test server, the origin of a denied host; with `--libraries` also
requests and httpx, with `--tls ORIGIN` also HTTPS.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import json
import urllib.error
import urllib.request
from collections.abc import Iterator

from report import attempt, emit

LARGE = 16
"""The MiB of the large response."""


def told(response: bytes) -> object:
    """Return what the server says of a request, without what hosts may choose."""
    seen = json.loads(response)
    fields = {name.lower(): value for name, value in seen["headers"]}
    kept = ("content-type", "content-length", "x-case", "user-agent")
    return {
        "method": seen["method"],
        "target": seen["path"],
        "fields": {name: fields[name] for name in kept if name in fields},
        "body": (seen["length"], seen["sha256"]),
    }


def pieces() -> Iterator[bytes]:
    """Yield a body whose length nobody knows before."""
    for number in range(200):
        yield b"%d " % number * 100


def with_urllib(origin: str, denied: str) -> None:
    """Use the standard library."""

    def fetch(path: str, data: bytes | None = None, **fields: str) -> bytes:
        request = urllib.request.Request(origin + path, data, fields)
        with urllib.request.urlopen(request, timeout=20) as response:
            body: bytes = response.read()
        return body

    def status(path: str) -> object:
        try:
            fetch(path)
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()
        return None

    def stalls() -> object:
        with urllib.request.urlopen(origin + "/slow-body", timeout=1) as response:
            return response.read()

    attempt("urllib get", lambda: told(fetch("/get?a=1%202&b=%2e", X_Case="a b")))
    attempt("urllib post", lambda: told(fetch("/upload", b"x" * 100_000)))
    attempt("urllib 404", lambda: status("/status/404"))
    attempt("urllib large", lambda: hashlib.sha256(fetch(f"/large/{LARGE}")).hexdigest())
    attempt("urllib stream", lambda: fetch("/stream/50").decode())
    attempt("urllib redirect", lambda: told(fetch("/redirect/302?to=%2Fget")))
    attempt("urllib timeout", stalls)
    attempt("urllib denied", lambda: urllib.request.urlopen(denied + "/get", timeout=20))


def with_requests(origin: str, denied: str) -> None:
    """Use requests, which has to be installed."""
    import requests

    session = requests.Session()

    def streamed(path: str) -> list[str]:
        response = session.get(origin + path, stream=True)
        return [line.decode() for line in response.iter_lines()]

    attempt("requests get", lambda: told(session.get(origin + "/get", params={"q": "ü"}).content))
    attempt("requests json", lambda: told(session.post(origin + "/upload", json={"a": 1}).content))
    attempt("requests chunked", lambda: told(session.post(origin + "/upload", pieces()).content))
    attempt("requests gzip", lambda: told(session.get(origin + "/gzip").content))
    attempt("requests cookies", lambda: dict(session.get(origin + "/cookies").cookies))
    attempt("requests stream", lambda: streamed("/stream/9"))
    attempt("requests timeout", lambda: session.get(origin + "/slow-body", timeout=1).content)
    attempt("requests denied", lambda: session.get(denied + "/get"))


def with_httpx(origin: str, denied: str) -> None:
    """Use httpx, which has to be installed."""
    import httpx

    async def together() -> object:
        async with httpx.AsyncClient() as client:
            numbers = range(8)
            answers = await asyncio.gather(
                *(client.get(f"{origin}/get?n={number}") for number in numbers)
            )
        return [told(answer.content) for answer in answers]

    attempt("httpx get", lambda: told(httpx.get(origin + "/get").content))
    attempt("httpx post", lambda: told(httpx.post(origin + "/upload", content=b"abc").content))
    attempt("httpx gather", lambda: asyncio.run(together()))
    attempt("httpx denied", lambda: httpx.get(denied + "/get"))


def main() -> None:
    """Run the cases."""
    parser = argparse.ArgumentParser()
    parser.add_argument("origin")
    parser.add_argument("denied")
    parser.add_argument("--libraries", action="store_true")
    options = parser.parse_args()
    with_urllib(options.origin, options.denied)
    if options.libraries:
        with_requests(options.origin, options.denied)
        with_httpx(options.origin, options.denied)
    emit("end", "reached")


if __name__ == "__main__":
    main()
