"""Prints the component's exceptions for a table of errors; `test_errors` compares them.

Runs in a process of its own, because the shim takes the place of `_socket` and `ssl`.
"""

import support  # noqa: F401, I001 - of the shim: it installs the stand-ins

import json
import struct
import sys

from sandbox_net import errors
from sandbox_net.channel import ChannelError

CODES = {
    "denied": errors.DENIED,
    "dns": errors.DNS,
    "refused": errors.REFUSED,
    "unreachable": errors.UNREACHABLE,
    "reset": errors.RESET,
    "timeout": errors.TIMEOUT,
    "tls": errors.TLS,
    "protocol": errors.PROTOCOL,
    "limit": errors.LIMIT,
    "closed": errors.CLOSED,
    "invalid": errors.INVALID,
}
FAILURES = ("not-found", "temporary", "failed")
PHASES = ("resolve", "connect", "tls", "request", "head", "body")


def channel_error(error, faults):
    """Returns what the adapter sends for an error of the interface."""
    code, text, rest, detail = error["code"], "", b"", 0
    if code == "denied":
        detail = errors.DENY_REASONS.index(error["reason"])
        text, rest = error["message"], error["rule"].encode()
    elif code == "dns":
        detail = FAILURES.index(error["failure"])
    elif code == "timeout":
        detail = PHASES.index(error["phase"])
    elif code == "tls":
        fault = error["certificate"]
        detail = errors.TLS_OTHER if fault is None else faults.index(fault)
        text = error["message"]
    elif code == "limit":
        detail = errors.LIMITS.index(error["limit"])
        if error["value"] is not None:
            rest = struct.pack("<Q?", error["value"], error["can_be_raised"])
    elif code in ("protocol", "invalid"):
        text = error["message"]
    return ChannelError(CODES[code], detail, text, rest)


def told(error):
    """Describes an exception."""
    more = {name: value for name, value in vars(error).items() if name != "__notes__"}
    kinds = [kind.__name__ for kind in type(error).__mro__]
    return [kinds, list(error.args), str(error), more, getattr(error, "__notes__", [])]


def main():
    """Answers a table on stdin."""
    table = json.load(sys.stdin)
    found = []
    for error, host in table["errors"]:
        sent = channel_error(error, table["faults"])
        found.append(told(errors.exception_for(sent, host)))
    for error, host in table["lookups"]:
        sent = channel_error(error, table["faults"])
        found.append(told(errors.lookup_exception_for(sent, host)))
    json.dump(found, sys.stdout)


if __name__ == "__main__":
    main()
