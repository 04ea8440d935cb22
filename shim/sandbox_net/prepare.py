"""What a snapshot of an interpreter runs, once, when it is made.

Installs the stand-ins and imports what network programs import first, so that a sandbox does not
pay for it. Nothing here speaks to a host.
"""

import contextlib
import gc
import importlib
import pkgutil
import sys

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
    "hmac",
    "http.client",
    "http.cookiejar",
    "http.cookies",
    "importlib.metadata",
    "importlib.readers",
    "importlib.resources",
    "io",
    "json",
    "mimetypes",
    "queue",
    "selectors",
    "socket",
    "ssl",
    "urllib.error",
    "urllib.parse",
    "urllib.request",
    "zipfile",
    "zlib",
)
# Not of the standard library, but some runtimes have it compiled in, and `requests` asks for it.
OPTIONAL = ("charset_normalizer",)


def prepare(modules: tuple[str, ...] = MODULES) -> None:
    """Installs the stand-ins, imports `modules`, and takes what is loaded out of the collector."""
    install()
    # The package's files are not there when the snapshot runs.
    for module in pkgutil.iter_modules(sys.modules[__package__].__path__):
        importlib.import_module(f"{__package__}.{module.name}")
    for name in modules:
        importlib.import_module(name)
    for name in OPTIONAL:
        with contextlib.suppress(ImportError):
            importlib.import_module(name)
    gc.collect()
    gc.freeze()
