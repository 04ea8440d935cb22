"""What a snapshot of an interpreter runs, once, when it is made.

Installs what this interpreter is to have and imports what programs import first, so that a sandbox
does not pay for it. Without a network the modules that stand in for sockets are not here at all.
Nothing here speaks to a host.
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
    """Installs, imports `modules` for a network, and takes what is loaded out of the collector."""
    if importlib.util.find_spec(f"{__package__}.install") is None:
        from . import portable

        portable.install(has_sockets=False)
        modules = ()
    else:
        from .install import install

        install()
    # The package's files are not there when the snapshot runs.
    for module in pkgutil.iter_modules(sys.modules[__package__].__path__):
        importlib.import_module(f"{__package__}.{module.name}")
    for name in modules:
        importlib.import_module(name)
    for name in OPTIONAL:
        if modules:
            with contextlib.suppress(ImportError):
                importlib.import_module(name)
    gc.collect()
    gc.freeze()
