"""Replaces CPython's C modules with the stand-ins.

The interpreter of a snapshot has loaded modules already, among them `_socket`, `select` and what
uses them. Those hold the stock functions by name and would keep using them. So they are unloaded
and loaded again, on the stand-ins.
"""

import importlib
import sys

from . import polling, socket_module, ssl_module
from .finder import StandIns

_BUILDERS = {
    "_socket": socket_module.build,
    "_ssl": ssl_module.build,
    "select": polling.build,
}
_HOLDERS = (
    "asyncio",
    "ftplib",
    "http.client",
    "http.server",
    "imaplib",
    "logging.config",
    "logging.handlers",
    "multiprocessing",
    "poplib",
    "selectors",
    "smtplib",
    "socket",
    "socketserver",
    "ssl",
    "subprocess",
    "telnetlib",
    "urllib.request",
    "wsgiref",
    "xmlrpc.client",
)

_installed = False


def install() -> None:
    """Installs the stand-ins. Doing it again changes nothing."""
    global _installed
    if _installed:
        return
    _installed = True
    inside = tuple(f"{holder}." for holder in _HOLDERS)
    dropped = [name for name in sys.modules if name in _HOLDERS or name.startswith(inside)]
    for name in dropped:
        _drop(name)
    sys.meta_path.insert(0, StandIns(_BUILDERS))
    for name in _BUILDERS:
        sys.modules.pop(name, None)
        importlib.import_module(name)
    for name in dropped:
        importlib.import_module(name)
    _adapt_asyncio()


def _adapt_asyncio() -> None:
    from . import event_loop, portable  # they use the modules that were just loaded

    event_loop.adapt()
    portable.install(has_sockets=True)


def _drop(name: str) -> None:
    del sys.modules[name]
    package, _, attribute = name.rpartition(".")
    if package in sys.modules:
        vars(sys.modules[package]).pop(attribute, None)
