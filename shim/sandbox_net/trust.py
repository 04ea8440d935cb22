"""Which certificate files mean the public roots.

The host verifies certificates, against the roots that its operator chose. A program that loads
the public roots asks for what it gets anyway. Any other authority, and any certificate of its
own, would be ignored; so they are refused.
"""

import importlib.util
import os
import re
from typing import Final

from .ssl_errors import SSLError, refused_setting, ssl_error

DEFAULT_FILE: Final = "/usr/lib/ssl/cert.pem"
DEFAULT_FOLDER: Final = "/usr/lib/ssl/certs"
FILE_VARIABLE: Final = "SSL_CERT_FILE"
FOLDER_VARIABLE: Final = "SSL_CERT_DIR"

_FILES: Final = (
    DEFAULT_FILE,
    "/etc/ssl/cert.pem",
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
)
_FOLDERS: Final = (DEFAULT_FOLDER, "/etc/ssl/certs", "/etc/pki/tls/certs")
# Copies of Mozilla's list that packages bring along.
_BUNDLES: Final = ("/certifi/cacert.pem", "/botocore/cacert.pem", "/httplib2/cacerts.txt")
_PEM: Final = re.compile(rb"-----BEGIN (?:TRUSTED |X509 )?CERTIFICATE-----")


def _own_authority(what: str) -> SSLError:
    return refused_setting(
        f"{what} is not among the public root certificates. Which authorities are trusted is for "
        "the operator of the sandbox to decide (--ca), not for a program in it"
    )


def own_certificate() -> SSLError:
    """The refusal of a client certificate."""
    return refused_setting(
        "client certificates are not carried: the host speaks TLS, and has none of the program's"
    )


def read_file(path: str) -> bytes:
    """The contents of a file. As in OpenSSL, an error does not name the file."""
    try:
        with open(path, "rb") as file:
            return file.read()
    except OSError as error:
        raise OSError(error.errno, error.strerror) from None


def check_file(path: str) -> None:
    """Accepts a file of the public roots.

    Raises:
        OSError: the file cannot be read.
        SSLError: it holds no certificates, or others.
    """
    data = read_file(path)
    if not _PEM.search(data):
        raise ssl_error(
            "X509", "NO_CERTIFICATE_OR_CRL_FOUND", "no certificate or crl found", number=136
        )
    normal = os.path.abspath(path)
    if normal not in _FILES and not normal.endswith(_BUNDLES) and not _is_certifi(data):
        raise _own_authority(f"the file {path!r}")


def check_folder(path: str) -> bool:
    """Whether `path` is the folder of the public roots; one that is not there holds nothing.

    Raises:
        SSLError: it is another folder.
    """
    if os.path.abspath(path) in _FOLDERS:
        return True
    if os.path.isdir(path):
        raise _own_authority(f"the folder {path!r}")
    return False


def check_data(data: bytes, *, is_text: bool) -> None:
    """Accepts the public roots as a string.

    Raises:
        SSLError: it holds no certificates, or others.
    """
    if not data:
        raise ValueError("Empty certificate data")
    if is_text and not _PEM.search(data):
        raise ssl_error(
            None, None, "no start line: cadata does not contain a certificate", number=0
        )
    if not is_text and not data.startswith(b"\x30"):
        raise ssl_error(
            None, None, "not enough data: cadata does not contain a certificate", number=0
        )
    if not _is_certifi(data):
        raise _own_authority("cadata")


def _is_certifi(data: bytes) -> bool:
    try:
        spec = importlib.util.find_spec("certifi")
    except (ImportError, ValueError):
        return False
    for folder in (spec.submodule_search_locations if spec is not None else None) or ():
        try:
            with open(os.path.join(folder, "cacert.pem"), "rb") as file:
                return file.read() == data
        except OSError:
            continue
    return False
