"""Reads certificates from files and strings, in PEM (RFC 7468) and DER, with OpenSSL's errors."""

import base64
import binascii
import re
from typing import Final

from .ssl_errors import SSLError, ssl_error

# Numbers of errors without a reason of their own; another library's error is below them.
PEM_LIB: Final = 0x80009
_ASN1_LIB: Final = 0x8000D
_NESTED: Final = 0x8010A

_BEGIN: Final = re.compile(rb"-----BEGIN (?:TRUSTED |X509 )?CERTIFICATE-----")
_END: Final = re.compile(rb"-----END (?:TRUSTED |X509 )?CERTIFICATE-----")
_SEQUENCE: Final = 0x30
_MIN_SIZE: Final = 16  # much smaller than any certificate


class BrokenCertificate(Exception):
    """Something begins as a certificate and is not one.

    `first` says whether it is the first of its file, `error` what `_ssl` raises if it is not.
    """

    def __init__(self, first: bool, error: SSLError) -> None:
        super().__init__(str(error))
        self.first = first
        self.error = error


def holds_certificate(text: bytes) -> bool:
    """Whether a certificate in PEM begins in `text`."""
    return _BEGIN.search(text) is not None


def pem_certificates(text: bytes) -> list[bytes]:
    """Returns the certificates in `text`, in DER.

    Raises:
        BrokenCertificate: one of them is broken.
    """
    found: list[bytes] = []
    at = 0
    while (begin := _BEGIN.search(text, at)) is not None:
        end = _END.search(text, begin.end())
        try:
            if end is None:
                raise ssl_error("PEM", "BAD_END_LINE", "bad end line", number=102)
            found.append(_body(text[begin.end() : end.start()]))
        except SSLError as error:
            raise BrokenCertificate(not found, error) from None
        at = end.end()
    return found


def _body(text: bytes) -> bytes:
    try:
        der = base64.b64decode(b"".join(text.split()), validate=True)
    except binascii.Error:
        raise ssl_error("PEM", "BAD_BASE64_DECODE", "bad base64 decode", number=100) from None
    size = _size(der)
    if size is None or size > len(der) or der[0] != _SEQUENCE or size < _MIN_SIZE:
        raise ssl_error("PEM", None, "ASN1 lib", number=_ASN1_LIB)
    return der


def der_certificates(data: bytes) -> list[bytes]:
    """Returns the certificates of a string in DER, one after the other (X.690 section 8.1.3).

    Raises:
        BrokenCertificate: one of them is broken.
    """
    found: list[bytes] = []
    while data:
        size = _size(data)
        if size is None:
            broken = ssl_error("ASN1", "HEADER_TOO_LONG", "header too long", number=123)
        elif size > len(data):
            broken = ssl_error("ASN1", "NOT_ENOUGH_DATA", "not enough data", number=142)
        elif data[0] != _SEQUENCE:
            broken = ssl_error("ASN1", None, "nested asn1 error", number=_NESTED)
        else:
            found.append(data[:size])
            data = data[size:]
            continue
        raise BrokenCertificate(not found, broken)
    return found


def _size(data: bytes) -> int | None:
    """Returns the length of the first element; `None` if its head is incomplete."""
    if len(data) < 2:
        return None
    length = data[1]
    if length < 0x80:
        return 2 + length
    count = length & 0x7F
    if len(data) < 2 + count:
        return None
    return 2 + count + int.from_bytes(data[2 : 2 + count], "big")
