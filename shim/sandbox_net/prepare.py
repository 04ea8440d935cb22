"""Prepares an interpreter once, before its snapshot is taken.

It installs the stand-ins and imports what most programs import, so that a sandbox does not pay for
that. Without a network the modules that replace sockets are missing here. Nothing here talks to a
host.
"""

import contextlib
import gc
import importlib
import importlib.util
import pkgutil
import sys

# What network programs import.
MODULES = (
    "asyncio",
    "base64",
    "datetime",
    "email.message",
    "email.parser",
    # With their first request: `requests` and `httpx` look for passwords, and encode names.
    "encodings.ascii",
    "encodings.idna",
    "encodings.latin_1",
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
    "netrc",
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
# Not part of the standard library, but some distributions build it in, and `requests` looks for it.
OPTIONAL = ("charset_normalizer",)


# It imports more of the standard library than an interpreter without a network begins with.
_EMBEDDING = "memory_library"


def _forget(names: set[str]) -> None:
    """Lets a program import these modules by itself, as if nobody had."""
    for name in names:
        parent, _, attribute = name.rpartition(".")
        if parent == __package__:
            continue
        del sys.modules[name]
        if parent in sys.modules:
            vars(sys.modules[parent]).pop(attribute, None)


def prepare(modules: tuple[str, ...] = MODULES) -> None:
    """Installs, imports `modules` for a network, and exempts what is loaded from the collector."""
    if importlib.util.find_spec(f"{__package__}.install") is None:
        from . import portable

        portable.install(has_sockets=False)
        modules = ()
    else:
        from .install import install

        install()
    # The package's files do not exist when the snapshot runs.
    loaded = set(sys.modules)
    importlib.import_module(f"{__package__}.{_EMBEDDING}")
    if not modules:
        _forget(set(sys.modules) - loaded)
    for module in pkgutil.iter_modules(sys.modules[__package__].__path__):
        importlib.import_module(f"{__package__}.{module.name}")
    for name in modules:
        importlib.import_module(name)
    for name in OPTIONAL:
        if modules:
            with contextlib.suppress(ImportError):
                importlib.import_module(name)
    importlib.import_module(f"{__package__}.at_exit").adapt()
    importlib.import_module(f"{__package__}.rehearsal").rehearse()
    if modules:
        importlib.import_module(f"{__package__}.rehearsal_network").rehearse()
    gc.collect()
    importlib.import_module(f"{__package__}.ending").begin()
    gc.freeze()
