"""Calls the process that has the servers: `serve.py`."""

from __future__ import annotations

import http.client
import json
import os
import sys
from types import ModuleType
from typing import Any


def call(function: str, **arguments: object) -> Any:
    """Returns the result of `function` in the library's `servers.py`."""
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


def module(name: str, **contents: object) -> ModuleType:
    """Makes a module with these contents, which `import NAME` finds."""
    found = ModuleType(name)
    vars(found).update(contents)
    sys.modules[name] = found
    return found
