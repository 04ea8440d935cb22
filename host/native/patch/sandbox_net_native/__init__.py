"""Routes a native Python's connections through a broker of sandbox-net.

This is compatibility, not security: a program can go around it. What stops a program is the
confinement of `sandbox-net native run`. The code is in the syntax of Python 3.6, and it imports
nothing that a program does not import itself: each part waits for the module that it changes.
"""

import sys

from . import after_import, settings

MYPY = False  # no program pays for `typing`
if MYPY:
    from typing import Any

_active = []  # type: list[bool]


def activate() -> "bool":
    """Turns the routing on, unless `SANDBOX_NET_ENABLED` is 0; says whether it is on."""
    if _active or not settings.CURRENT.enabled:
        return bool(_active)
    _active.append(True)
    after_import.when_imported("socket", _change_socket)
    after_import.when_imported("ssl", _change_ssl)
    after_import.when_imported("asyncio.selector_events", _change_event_loop)
    after_import.when_imported("asyncio.sslproto", _change_tls_protocol)
    after_import.when_imported("asyncio.streams", _change_streams)
    after_import.when_imported("urllib.request", _change_proxies)
    settings.log("debug", f"the routing is on in {sys.executable}")
    return True


def is_active() -> "bool":
    """Whether the routing is on in this interpreter."""
    return bool(_active)


def _change_socket(module: "Any") -> "None":
    from . import lookups, sockets

    sockets.change(module)
    lookups.change(module)


def _change_ssl(module: "Any") -> "None":
    from . import tls

    tls.change(module)


def _change_event_loop(module: "Any") -> "None":
    from . import event_loop

    event_loop.change_selector_events(module)


def _change_tls_protocol(module: "Any") -> "None":
    from . import event_loop

    event_loop.change_tls_protocol(module)


def _change_streams(module: "Any") -> "None":
    from . import event_loop

    event_loop.change_streams(module)


def _change_proxies(module: "Any") -> "None":
    from . import proxies

    proxies.change(module)
