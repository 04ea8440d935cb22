"""The module `_ssl`."""

import base64
import os
import types
import warnings

from . import ssl_constants, ssl_errors, trust
from .buffers import Buffer, bytes_view
from .certificate import Certificate
from .memory_bio import MemoryBIO
from .oids import nid2obj, txt2obj
from .tls_context import _SSLContext
from .tls_session import SSLSession, _SSLSocket


def RAND_bytes(n: int, /) -> bytes:
    """Returns bytes from the system's random source."""
    if n < 0:
        raise ValueError("num must be positive")
    return os.urandom(n)


def RAND_pseudo_bytes(n: int, /) -> tuple[bytes, bool]:
    """As `RAND_bytes`, and says whether they are strong (Python 3.11)."""
    warnings.warn("ssl.RAND_pseudo_bytes() is deprecated", DeprecationWarning, stacklevel=2)
    return RAND_bytes(n), True


def RAND_add(string: str | Buffer, entropy: float, /) -> None:
    """Does nothing: the system's random source needs no more entropy."""
    if not isinstance(string, str):
        bytes_view(string)


def RAND_status() -> bool:
    """Whether there is enough entropy: always."""
    return True


def get_default_verify_paths() -> tuple[str, str, str, str]:
    """Returns variable and path of the file of the public roots, then those of the folder."""
    return trust.FILE_VARIABLE, trust.DEFAULT_FILE, trust.FOLDER_VARIABLE, trust.DEFAULT_FOLDER


def get_sigalgs() -> list[str]:
    """Returns the signature algorithms that a program can choose: none, the host chooses."""
    return []


def _test_decode_cert(path: str, /) -> dict[str, object]:
    with open(path, encoding="ascii") as file:
        text = file.read()
    body = text.partition("-----BEGIN CERTIFICATE-----")[2].partition("-----END")[0]
    return Certificate(base64.b64decode(body)).get_info()


def build() -> types.ModuleType:
    """Makes the module that replaces `_ssl`."""
    module = types.ModuleType("_ssl", "TLS, which the host of this sandbox speaks.")
    contents = ssl_constants.contents()
    functions = (
        RAND_add,
        RAND_bytes,
        RAND_pseudo_bytes,
        RAND_status,
        _test_decode_cert,
        get_default_verify_paths,
        get_sigalgs,
        nid2obj,
        txt2obj,
    )
    errors = (
        ssl_errors.SSLCertVerificationError,
        ssl_errors.SSLEOFError,
        ssl_errors.SSLError,
        ssl_errors.SSLSyscallError,
        ssl_errors.SSLWantReadError,
        ssl_errors.SSLWantWriteError,
        ssl_errors.SSLZeroReturnError,
    )
    classes = (Certificate, MemoryBIO, SSLSession, _SSLContext, _SSLSocket)
    contents |= {thing.__name__: thing for thing in (*functions, *errors, *classes)}
    contents |= {
        "_DEFAULT_CIPHERS": "DEFAULT",
        "_OPENSSL_API_VERSION": ssl_constants.OPENSSL_VERSION_INFO,
        "err_codes_to_names": {},
        "err_names_to_codes": {},
        "lib_codes_to_names": {},
    }
    vars(module).update(contents)
    return module
