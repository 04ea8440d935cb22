"""X.509 certificates as `ssl` shows them (RFC 5280), read from DER (X.690)."""

import base64
import ipaddress
from collections.abc import Iterator
from typing import Any, Final

from . import oids
from .der import Node, oid, read
from .ssl_constants import ENCODING_DER, ENCODING_PEM

_MONTHS: Final = "JanFebMarAprMayJunJulAugSepOctNovDec"
_UTC_TIME: Final = 0x17
_OID: Final = 0x06
_UTF16: Final = 0x1E
_UTF32: Final = 0x1C
_LATIN1: Final = 0x14
_VERSION: Final = 0xA0
_EXTENSIONS: Final = 0xA3

_BOOLEAN: Final = 0x01
_SIGNS_CERTIFICATES: Final = 0x04  # of the first byte of the key's usage

_USAGE: Final = "2.5.29.15"
_CONSTRAINTS: Final = "2.5.29.19"
_ALT_NAME: Final = "2.5.29.17"
_ACCESS: Final = "1.3.6.1.5.5.7.1.1"
_CRLS: Final = "2.5.29.31"
_OCSP: Final = "1.3.6.1.5.5.7.48.1"
_ISSUERS: Final = "1.3.6.1.5.5.7.48.2"

Name = tuple[tuple[tuple[str, str], ...], ...]


def _text(node: Node) -> str:
    encodings = {_UTF16: "utf-16-be", _UTF32: "utf-32-be", _LATIN1: "latin-1"}
    return node.data.decode(encodings.get(node.tag, "utf-8"), "replace")


def _name(node: Node) -> Name:
    names = []
    for part in node.children():
        pairs = (pair.children() for pair in part.children())
        names.append(tuple((oids.long_name(oid(key.data)), _text(text)) for key, text in pairs))
    return tuple(names)


def _time(node: Node) -> str:
    text = node.data.decode("ascii")
    if node.tag == _UTC_TIME:  # RFC 5280 section 4.1.2.5.1
        text = ("19" if text[:2] >= "50" else "20") + text
    month = _MONTHS[int(text[4:6]) * 3 - 3 :][:3]
    clock = f"{text[8:10]}:{text[10:12]}:{text[12:14]}"
    return f"{month} {int(text[6:8]):2d} {clock} {text[:4]} GMT"


def _serial(node: Node) -> str:
    number = int.from_bytes(node.data, "big", signed=True)
    digits = f"{abs(number):X}"
    return ("-" if number < 0 else "") + digits.zfill(len(digits) + len(digits) % 2)


def _address(data: bytes) -> str:
    if len(data) == 4:
        return str(ipaddress.IPv4Address(data))
    if len(data) == 16:  # OpenSSL does not shorten them
        return ":".join(f"{data[i] << 8 | data[i + 1]:X}" for i in range(0, 16, 2))
    return "<invalid>"


def _general_name(node: Node) -> tuple[str, Any]:
    tag = node.tag & 0x1F
    if tag == 1:
        return "email", _text(node)
    if tag == 2:
        return "DNS", _text(node)
    if tag == 4:
        return "DirName", _name(node.children()[0])
    if tag == 6:
        return "URI", _text(node)
    if tag == 7:
        return "IP Address", _address(node.data)
    if tag == 8:
        return "Registered ID", oids.long_name(oid(node.data))
    return "othername", "<unsupported>"


def _uris(nodes: list[Node]) -> tuple[str, ...]:
    return tuple(_text(node) for node in nodes if node.tag & 0x1F == 6)


def _access(extension: Node) -> dict[str, tuple[str, ...]]:
    found: dict[str, tuple[str, ...]] = {}
    names = {_OCSP: "OCSP", _ISSUERS: "caIssuers"}
    for description in extension.children():
        method, location = description.children()
        name = names.get(oid(method.data))
        if name is not None:
            found[name] = found.get(name, ()) + _uris([location])
    return {name: found[name] for name in names.values() if found.get(name)}


def _crls(extension: Node) -> tuple[str, ...]:
    uris: tuple[str, ...] = ()
    for point in extension.children():
        for part in point.children():
            if part.tag == 0xA0:  # the distribution point's full name
                uris += _uris([name for full in part.children() for name in full.children()])
    return uris


def _extensions(node: Node, names: tuple[str, ...]) -> Iterator[tuple[str, Node]]:
    """Returns the extensions that have one of these names."""
    for extension in node.children()[0].children():
        key, *_, value = extension.children()
        name = oid(key.data)
        if name in names:
            (inner,) = value.children()
            yield name, inner


def _extension_info(node: Node) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, inner in _extensions(node, (_ALT_NAME, _ACCESS, _CRLS)):
        if name == _ALT_NAME:
            found["subjectAltName"] = tuple(_general_name(each) for each in inner.children())
        elif name == _ACCESS:
            found |= _access(inner)
        else:
            found["crlDistributionPoints"] = _crls(inner)
    order = ("subjectAltName", "OCSP", "caIssuers", "crlDistributionPoints")
    return {name: found[name] for name in order if found.get(name)}


def decode(der: bytes) -> dict[str, Any]:
    """Returns a certificate as `getpeercert()` does.

    Raises:
        ValueError: it is not a certificate.
    """
    try:
        return _decode(der)
    except (IndexError, StopIteration, UnicodeDecodeError) as error:
        raise ValueError(f"not a certificate: {error}") from None


def is_authority(der: bytes) -> bool:
    """Whether OpenSSL accepts this certificate as an authority's (X509_check_ca)."""
    try:
        version, parts = _parts(der)
        _, _, issuer, _, subject, _, *rest = parts
        extensions: dict[str, Node] = {}
        for part in rest:
            if part.tag == _EXTENSIONS:
                extensions |= _extensions(part, (_USAGE, _CONSTRAINTS))
        usage, constraints = extensions.get(_USAGE), extensions.get(_CONSTRAINTS)
        if usage is not None and not usage.data[1] & _SIGNS_CERTIFICATES:
            return False
        if constraints is not None:
            return any(
                part.tag == _BOOLEAN and part.data != b"\0" for part in constraints.children()
            )
        return usage is not None or (version == 1 and issuer == subject)
    except (ValueError, IndexError, StopIteration):
        return False


def public_key(der: bytes) -> tuple[str, bytes]:
    """Returns the algorithm of a certificate's key, and the key.

    Raises:
        ValueError: it is not a certificate.
    """
    try:
        algorithm, key = _parts(der)[1][5].children()
        return oid(algorithm.children()[0].data), key.data[1:]
    except (IndexError, StopIteration) as error:
        raise ValueError(f"not a certificate: {error}") from None


def _parts(der: bytes) -> tuple[int, list[Node]]:
    """Returns the version of a certificate, and the elements after it."""
    body, *_ = next(read(der)).children()
    parts = body.children()
    version = 1
    if parts[0].tag == _VERSION:
        version = parts.pop(0).children()[0].data[0] + 1
    return version, parts


def _decode(der: bytes) -> dict[str, Any]:
    version, parts = _parts(der)
    serial, _algorithm, issuer, validity, subject, _key, *rest = parts
    not_before, not_after = validity.children()
    info: dict[str, Any] = {
        "subject": _name(subject),
        "issuer": _name(issuer),
        "version": version,
        "serialNumber": _serial(serial),
        "notBefore": _time(not_before),
        "notAfter": _time(not_after),
    }
    for part in rest:
        if part.tag == _EXTENSIONS:
            info |= _extension_info(part)
    return info


class Certificate:
    """A certificate of the peer's chain."""

    __module__ = "_ssl"

    def __init__(self, der: bytes) -> None:
        self._der = der

    def public_bytes(self, format: int = ENCODING_PEM) -> str | bytes:
        """Returns the certificate in PEM or DER."""
        if format == ENCODING_DER:
            return self._der
        if format != ENCODING_PEM:
            raise ValueError("Unsupported format")
        text = base64.b64encode(self._der).decode("ascii")
        lines = [text[i : i + 64] for i in range(0, len(text), 64)]
        border = "-----{} CERTIFICATE-----"
        return "\n".join((border.format("BEGIN"), *lines, border.format("END"), ""))

    def get_info(self) -> dict[str, Any]:
        """Returns the certificate as `getpeercert()` does."""
        return decode(self._der)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Certificate) and other._der == self._der

    def __hash__(self) -> int:
        return hash(self._der)

    def __repr__(self) -> str:
        pairs = (pair for rdn in decode(self._der)["subject"] for pair in rdn)
        subject = ", ".join(f"{key}={value}" for key, value in pairs)
        return f"<_ssl.Certificate '{subject}'>"
