"""One row of the table of refusals: a client meets each kind, and its tracebacks are printed.

Arguments: the client's name in ``clients``, then name=URL: ``http`` and ``https``, where a GET
below ``/get`` and ``/silent`` is allowed. ``native=yes`` runs only the requests that no policy
refuses.
"""

from __future__ import annotations

import sys
import traceback
from typing import Any

import clients
from report import emit

NAME = sys.argv[1]
SERVERS = dict(argument.split("=", 1) for argument in sys.argv[2:])
MOST = 100

# Method, path, fields, and whether it goes through a proxy.
KINDS: dict[str, tuple[str, str, dict[str, str], bool]] = {
    "allowed": ("GET", "/get", {}, False),
    "path": ("GET", "/denied", {}, False),
    "method": ("POST", "/get", {}, False),
    "field": ("GET", "/get", {"X-HTTP-Method-Override": "PUT"}, False),
    "upgrade": ("GET", "/get", {"Upgrade": "websocket", "Connection": "Upgrade"}, False),
    "proxy": ("GET", "/get", {}, True),
    "silent": ("GET", "/silent", {}, False),
    "budget": ("GET", "/get", {}, False),
}


def name_of(error: BaseException) -> str:
    kind = type(error)
    return kind.__name__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__name__}"


def outcome(kind: str, url: str) -> dict[str, Any]:
    method, path, fields, by_proxy = KINDS[kind]
    client: clients.Client = getattr(clients, NAME)
    try:
        status = client(method, url + path, fields, SERVERS["http"] if by_proxy else None)
    except Exception as error:
        return {"type": name_of(error), "text": str(error), "trace": traceback.format_exc()}
    return {"status": status}


def spend() -> str | None:
    """Use up the requests that are left; return the text of the error."""
    try:
        for _ in range(MOST):
            clients.http_client("GET", SERVERS["http"] + "/get", {}, None)
    except OSError as error:
        return error.strerror
    return None


for kind in KINDS:
    if kind not in ("allowed", "silent") and "native" in SERVERS:
        continue
    if kind == "budget":
        emit("spent", spend())
    for server in ("http", "https"):
        emit(f"{kind} / {server}", outcome(kind, SERVERS[server]))
