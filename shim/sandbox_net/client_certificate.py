"""A client certificate and its key, from the files that a program names."""

import base64
import binascii
import re
from typing import Final

from .ssl_errors import refused_setting, ssl_error
from .tls_request import ClientCertificate
from .trust import pem_certificates, read_file

_KEY: Final = re.compile(
    rb"-----BEGIN ((?:RSA |EC |ENCRYPTED )?PRIVATE KEY)-----(.*?)-----END \1-----", re.DOTALL
)


def load(certfile: str, keyfile: str | None) -> ClientCertificate:
    """Reads a certificate, those that lead to its root, and its key.

    Raises:
        OSError: a file cannot be read.
        SSLError: the certificate or its key is missing or broken, or the key is encrypted.
    """
    text = read_file(certfile)
    keys = text if keyfile is None else read_file(keyfile)
    certificates = pem_certificates(text)
    if not certificates:
        raise _broken()
    return ClientCertificate(tuple(certificates), _private_key(keys))


def _private_key(text: bytes) -> bytes:
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
        return base64.b64decode(b"".join(body.split()), validate=True)
    except binascii.Error:
        raise _broken() from None


def _broken() -> Exception:
    return ssl_error("SSL", None, "PEM lib", number=9)
