"""What a snapshot of an interpreter runs, once, when it is made.

Installs the stand-ins and imports what network programs import first, so that a sandbox does not
pay for it. Nothing here speaks to a host.
"""

import gc
import importlib

from .install import install

MODULES = (
    "asyncio",
    "base64",
    "datetime",
    "email.message",
    "email.parser",
    "encodings.idna",
    "gzip",
    "hashlib",
    "http.client",
    "http.cookiejar",
    "io",
    "json",
    "selectors",
    "socket",
    "ssl",
    "urllib.error",
    "urllib.parse",
    "urllib.request",
    "zlib",
)


def prepare(modules: tuple[str, ...] = MODULES) -> None:
    """Installs the stand-ins, imports `modules`, and takes what is loaded out of the collector."""
    install()
    for name in modules:
        importlib.import_module(name)
    gc.collect()
    gc.freeze()
