"""Requests over TLS to servers whose certificates may be invalid. Each argument is a JSON object
with a case's name, its host and port, the certificates to trust (DER as hex) and names of flags."""

from __future__ import annotations

import http.client
import json
import ssl
import sys
from typing import Any

from report import attempt

# The default context of some versions of CPython sets it.
VARYING = ssl.VerifyFlags.VERIFY_X509_STRICT
if hasattr(ssl.VerifyFlags, "VERIFY_X509_PARTIAL_CHAIN"):
    VARYING |= ssl.VerifyFlags.VERIFY_X509_PARTIAL_CHAIN


def status(row: dict[str, Any]) -> object:
    context = ssl.create_default_context(cadata=bytes.fromhex(row["trusted"]))
    context.verify_flags &= ~VARYING
    for flag in row["flags"]:
        context.verify_flags |= ssl.VerifyFlags[flag]
    connection = http.client.HTTPSConnection(row["host"], row["port"], context=context, timeout=30)
    try:
        connection.request("GET", "/all-bytes")
        return connection.getresponse().status
    finally:
        connection.close()


for argument in sys.argv[1:]:
    row = json.loads(argument)
    attempt(row["case"], status, row)
