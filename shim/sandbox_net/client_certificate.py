"""Reads a client certificate and its key from the files that a program names."""

import base64
import binascii
import re
from typing import Final

from .certificate import public_key
from .der import oid, read
from .pem import PEM_LIB, BrokenCertificate, pem_certificates
from .ssl_errors import refused_setting, ssl_error
from .tls_request import ClientCertificate
from .trust import read_file

_KEY: Final = re.compile(
    rb"-----BEGIN ((?:RSA |EC |ENCRYPTED )?PRIVATE KEY)-----(.*?)-----END \1-----", re.DOTALL
)
_RSA: Final = "1.2.840.113549.1.1.1"
_EC: Final = "1.2.840.10045.2.1"
_ALGORITHMS: Final = {b"RSA PRIVATE KEY": _RSA, b"EC PRIVATE KEY": _EC}
_PUBLIC_KEY: Final = 0xA1


def load(certfile: str, keyfile: str | None) -> ClientCertificate:
    """Reads a certificate, its intermediates, and its key.

    Raises:
        OSError: a file cannot be read.
        SSLError: the certificate or its key is missing or broken, or the key is encrypted or
            belongs to another certificate.
    """
    text = read_file(certfile)
    keys = text if keyfile is None else read_file(keyfile)
    try:
        certificates = pem_certificates(text)
    except BrokenCertificate as broken:
        raise (_broken() if broken.first else broken.error) from None
    if not certificates:
        raise _broken()
    kind, key = _private_key(keys)
    _require_pair(certificates[0], kind, key)
    return ClientCertificate(tuple(certificates), key)


def _private_key(text: bytes) -> tuple[bytes, bytes]:
    """Returns the label of a key in PEM, and the key."""
    found = _KEY.search(text)
    if found is None:
        raise _broken()
    kind, body = found[1], found[2]
    if kind.startswith(b"ENCRYPTED") or b"Proc-Type:" in body:
        raise refused_setting(
            "the private key is encrypted, and a sandbox has no cipher to open it with: "
            "store it without a password (openssl pkey -in FILE -out PLAIN)"
        )
    try:
        return kind, base64.b64decode(b"".join(body.split()), validate=True)
    except binascii.Error:
        raise _broken() from None


def _require_pair(certificate: bytes, kind: bytes, key: bytes) -> None:
    """Refuses a key that does not belong to the certificate. The host checks what is unclear here.

    Raises:
        SSLError: the key belongs to another certificate.
    """
    try:
        algorithm, public = public_key(certificate)
        own_algorithm, own = _public_part(kind, key)
    except (ValueError, IndexError, StopIteration):
        return
    if own_algorithm != algorithm:
        # As in OpenSSL: a key of another kind has no certificate here.
        text = "no certificate assigned"
        raise ssl_error("SSL", "NO_CERTIFICATE_ASSIGNED", text, number=177)
    if own not in public:
        raise ssl_error("X509", "KEY_VALUES_MISMATCH", "key values mismatch", number=116)


def _public_part(kind: bytes, key: bytes) -> tuple[str, bytes]:
    """Returns the algorithm of a private key, and the part of its public key that it contains."""
    parts = next(read(key)).children()
    algorithm = _ALGORITHMS.get(kind)
    if algorithm is None:  # PKCS 8 (RFC 5208) names the algorithm
        algorithm = oid(parts[1].children()[0].data)
        parts = next(read(parts[2].data)).children()
    if algorithm == _RSA:
        return algorithm, parts[1].data  # the modulus (RFC 8017 appendix A.1.2)
    (bits,) = [part.children()[0] for part in parts if part.tag == _PUBLIC_KEY]
    return algorithm, bits.data[1:]  # RFC 5915 section 3


def _broken() -> Exception:
    return ssl_error("SSL", None, "PEM lib", number=PEM_LIB)
