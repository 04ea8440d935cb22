"""The root certificates that a program trusts.

The host verifies certificates against the roots that its operator chose. Files of the public
roots stand for those: a program that loads them asks for what it gets anyway. Any other
certificate is handed to the host, whose policy decides whether the program may trust it.
"""

import base64
import binascii
import importlib.util
import os
import re
from typing import Final

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
# Copies of Mozilla's list that packages bring along.
_BUNDLES: Final = ("/certifi/cacert.pem", "/botocore/cacert.pem", "/httplib2/cacerts.txt")
_PEM: Final = re.compile(
    rb"-----BEGIN (?:TRUSTED |X509 )?CERTIFICATE-----(.*?)"
    rb"-----END (?:TRUSTED |X509 )?CERTIFICATE-----",
    re.DOTALL,
)
_HASHED: Final = re.compile(r"[0-9a-f]{8}\.[0-9]+")
_SEQUENCE: Final = 0x30


class TrustedRoots:
    """What was loaded into one context."""

    def __init__(self) -> None:
        self.host = False
        """Whether the host's roots are among them."""
        self._own: dict[bytes, None] = {}
        self._public: list[bytes] = []  # in PEM; read when somebody asks

    def __bool__(self) -> bool:
        return self.host or bool(self._own)

    @property
    def own(self) -> tuple[bytes, ...]:
        """Those that are the program's, in DER."""
        return tuple(self._own)

    def certificates(self) -> list[bytes]:
        """All that came out of files and strings, in DER."""
        public = (der for data in self._public for der in pem_certificates(data))
        return list(dict.fromkeys((*public, *self._own)))

    def load_default(self) -> None:
        """Loads the public roots, or what the environment names in the place of their file and
        of their folder. Either of the two has them all."""
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
            SSLError: it holds no certificate, or a broken one.
        """
        data = read_file(path)
        if not _PEM.search(data):
            raise ssl_error(
                "X509", "NO_CERTIFICATE_OR_CRL_FOUND", "no certificate or crl found", number=136
            )
        normal = os.path.abspath(path)
        is_public = normal in _FILES or normal.endswith(_BUNDLES) or _is_certifi(data)
        self._load_pem(data, is_public=is_public)

    def load_folder(self, path: str) -> None:
        """Loads a folder of files that are named after the hashes of their subjects."""
        if os.path.abspath(path) in _FOLDERS:
            self.host = True
        elif os.path.isdir(path):
            for name in sorted(os.listdir(path)):
                if _HASHED.fullmatch(name):
                    self._load_pem(read_file(os.path.join(path, name)), is_public=False)

    def load_data(self, data: bytes, *, is_text: bool) -> None:
        """Loads certificates from a string: in PEM as text, in DER as bytes.

        Raises:
            SSLError: it holds none, or broken ones.
        """
        if not data:
            raise ValueError("Empty certificate data")
        if is_text:
            if not _PEM.search(data):
                raise _no_certificate("no start line")
            self._load_pem(data, is_public=_is_certifi(data))
        else:
            self._own |= dict.fromkeys(_der_certificates(data))

    def _load_pem(self, data: bytes, *, is_public: bool) -> None:
        if is_public:
            self.host = True
            self._public.append(data)
        else:
            self._own |= dict.fromkeys(pem_certificates(data))


def _no_certificate(why: str) -> SSLError:
    return ssl_error(None, None, f"{why}: cadata does not contain a certificate", number=0)


def pem_certificates(data: bytes) -> list[bytes]:
    """The certificates in a text, in DER.

    Raises:
        SSLError: one of them is broken.
    """
    ders = []
    for text in _PEM.findall(data):
        try:
            der = base64.b64decode(b"".join(text.split()), validate=True)
        except binascii.Error:
            raise ssl_error("PEM", "BAD_BASE64_DECODE", "bad base64 decode") from None
        if not der or der[0] != _SEQUENCE:
            raise ssl_error("SSL", None, "PEM lib", number=9)
        ders.append(der)
    return ders


def _der_certificates(data: bytes) -> list[bytes]:
    """The certificates of a string in DER, one behind the other (X.690 section 8.1.3)."""
    found: list[bytes] = []
    while data:
        size = _der_size(data)
        if size is None or size > len(data):
            if found:
                break  # as OpenSSL: rubbish behind a certificate is left
            raise _no_certificate("not enough data")
        found.append(data[:size])
        data = data[size:]
    return found


def _der_size(data: bytes) -> int | None:
    """How many bytes the first element has; `None` where none begins."""
    if len(data) < 2 or data[0] != _SEQUENCE:
        return None
    length = data[1]
    if length < 0x80:
        return 2 + length
    count = length & 0x7F
    return 2 + count + int.from_bytes(data[2 : 2 + count], "big")


def read_file(path: str) -> bytes:
    """The contents of a file. As in OpenSSL, an error does not name the file."""
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
