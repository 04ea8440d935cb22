"""The root certificates that a program trusts.

The host verifies certificates against the roots that its operator chose. Files of the public roots
stand for those: a program that loads them gets the host's roots. Any other certificate is passed to
the host, whose policy decides whether the program may trust it.
"""

import importlib.util
import os
import re
from typing import Final

from .pem import (
    PEM_LIB,
    BrokenCertificate,
    der_certificates,
    holds_certificate,
    pem_certificates,
)
from .ssl_errors import SSLError, ssl_error

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
# Copies of Mozilla's list that packages contain.
_BUNDLES: Final = ("/certifi/cacert.pem", "/botocore/cacert.pem", "/httplib2/cacerts.txt")
_HASHED: Final = re.compile(r"[0-9a-f]{8}\.[0-9]+")


class TrustedRoots:
    """The certificates loaded into one context."""

    def __init__(self) -> None:
        self.host = False
        """Whether the host's roots are among them."""
        self._own: dict[bytes, None] = {}
        self._hashed: dict[bytes, None] = {}  # from folders
        self._public: list[bytes] = []  # in PEM; parsed on request

    def __bool__(self) -> bool:
        return self.host or bool(self._own) or bool(self._hashed)

    @property
    def own(self) -> tuple[bytes, ...]:
        """Returns the program's own roots, in DER."""
        return tuple(self._own | self._hashed)

    def certificates(self) -> list[bytes]:
        """Returns all certificates from files and strings, in DER. Those of a folder do not count:
        OpenSSL reads them when a peer needs them."""
        public = (der for data in self._public for der in _readable(data))
        return list(dict.fromkeys((*public, *self._own)))

    def load_default(self) -> None:
        """Loads the public roots, or the file and the folder that the environment names instead.
        Either of the two has them all."""
        file = os.environ.get(FILE_VARIABLE)
        folder = os.environ.get(FOLDER_VARIABLE)
        if not file or not folder:
            self.host = True
        if file and os.path.exists(file):
            self.load_file(file)
        if folder:
            self.load_folder(folder)

    def load_file(self, path: str) -> None:
        """Loads the certificates of a file in PEM.

        Raises:
            OSError: the file cannot be read.
            SSLError: it has no certificate, or a broken one.
        """
        data = read_file(path)
        if not holds_certificate(data):
            raise ssl_error(
                "X509", "NO_CERTIFICATE_OR_CRL_FOUND", "no certificate or crl found", number=136
            )
        normal = os.path.abspath(path)
        is_public = normal in _FILES or normal.endswith(_BUNDLES) or _is_certifi(data)
        try:
            self._load_pem(data, is_public=is_public)
        except BrokenCertificate:
            raise ssl_error("X509", None, "PEM lib", number=PEM_LIB) from None

    def load_folder(self, path: str) -> None:
        """Loads a folder of files that are named after the hashes of their subjects."""
        if os.path.abspath(path) in _FOLDERS:
            self.host = True
        elif os.path.isdir(path):
            for name in sorted(os.listdir(path)):
                if _HASHED.fullmatch(name):
                    found = _readable(read_file(os.path.join(path, name)))
                    self._hashed |= dict.fromkeys(found)

    def load_data(self, data: bytes, *, is_text: bool) -> None:
        """Loads certificates from a string: PEM in text, DER in bytes.

        Raises:
            SSLError: it has none, or broken ones.
        """
        if not data:
            raise ValueError("Empty certificate data")
        why = "no start line" if is_text else "not enough data"
        if is_text and not holds_certificate(data):
            raise _no_certificate(why)
        try:
            if is_text:
                self._load_pem(data, is_public=_is_certifi(data))
            else:
                self._own |= dict.fromkeys(der_certificates(data))
        except BrokenCertificate as broken:
            raise (_no_certificate(why) if broken.first else broken.error) from None

    def _load_pem(self, data: bytes, *, is_public: bool) -> None:
        if is_public:
            self.host = True
            self._public.append(data)
        else:
            self._own |= dict.fromkeys(pem_certificates(data))


def _readable(text: bytes) -> list[bytes]:
    try:
        return pem_certificates(text)
    except BrokenCertificate:
        return []


def _no_certificate(why: str) -> SSLError:
    return ssl_error(None, None, f"{why}: cadata does not contain a certificate", number=0)


def read_file(path: str) -> bytes:
    """Reads a file. As in OpenSSL, an error does not name the file."""
    try:
        with open(path, "rb") as file:
            return file.read()
    except OSError as error:
        raise OSError(error.errno, error.strerror) from None


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
