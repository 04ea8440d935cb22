"""Calls to the process that has the servers: `serve.py`."""

from __future__ import annotations

import http.client
import json
import os
from typing import Any


def call(function: str, **arguments: object) -> Any:
    """What `function` of the library's `servers.py` gives."""
    port = json.loads(os.environ["SUITE"])["port"]
    connection = http.client.HTTPConnection("127.0.0.1", port)
    try:
        connection.request("POST", f"/{function}", json.dumps(arguments))
        response = connection.getresponse()
        result = json.loads(response.read())
    finally:
        connection.close()
    if response.status != 200:
        raise RuntimeError(f"{function} outside:\n{result}")
    return result
