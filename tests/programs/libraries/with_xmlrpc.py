"""``xmlrpc.client``. Arguments: see ``columns``."""

from __future__ import annotations

import datetime
import xmlrpc.client
from typing import Any

from columns import show


def _echoed(proxy: xmlrpc.client.ServerProxy, *values: Any) -> object:
    """The arguments of a call as the server received them."""
    call = proxy.some.method(*values)
    assert isinstance(call, xmlrpc.client.Binary)
    parameters, method = xmlrpc.client.loads(call.data, use_builtin_types=True)
    return [method, repr(parameters)]


def post(base: str) -> object:
    headers = [("X-Test", "yes")]
    with xmlrpc.client.ServerProxy(base + "/rpc", allow_none=True, headers=headers) as proxy:
        when = datetime.datetime(2026, 1, 2, 3, 4, 5)
        sent = _echoed(proxy, "ä<&>", 1, 2.5, None, True, [1, {"a": b"\x00\xff"}], when)
        large = _echoed(proxy, "x" * 200_000)
        try:
            proxy.fail()
        except xmlrpc.client.Fault as fault:
            return [sent, len(str(large)), fault.faultCode, fault.faultString]
    return "no fault"


def reuse(base: str) -> object:
    with xmlrpc.client.ServerProxy(base + "/rpc") as proxy:
        return [_echoed(proxy, number) for number in range(5)]


def wrong_status(base: str) -> object:
    with xmlrpc.client.ServerProxy(base + "/status/404") as proxy:
        try:
            proxy.anything()
        except xmlrpc.client.ProtocolError as error:
            return [error.errcode, error.url.removeprefix(base.partition("//")[2])]
    return "no error"


def plain(base: str) -> object:
    with xmlrpc.client.ServerProxy(base + "/rpc") as proxy:
        return _echoed(proxy, 1)


show(
    {
        "post": post,
        "post, to nothing": wrong_status,
        "reuse": reuse,
        "tls": plain,
        "untrusted": plain,
        "denied": plain,
    }
)
