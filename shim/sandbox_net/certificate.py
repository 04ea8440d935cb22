"""X.509 certificates as `ssl` shows them (RFC 5280), read from DER (X.690)."""

import base64
import ipaddress
from collections.abc import Iterator
from typing import Any, Final, NamedTuple

from . import oids
from .ssl_constants import ENCODING_DER, ENCODING_PEM

_MONTHS: Final = "JanFebMarAprMayJunJulAugSepOctNovDec"
_UTC_TIME: Final = 0x17
_OID: Final = 0x06
_UTF16: Final = 0x1E
_UTF32: Final = 0x1C
_LATIN1: Final = 0x14
_VERSION: Final = 0xA0
_EXTENSIONS: Final = 0xA3

_ALT_NAME: Final = "2.5.29.17"
_ACCESS: Final = "1.3.6.1.5.5.7.1.1"
_CRLS: Final = "2.5.29.31"
_OCSP: Final = "1.3.6.1.5.5.7.48.1"
_ISSUERS: Final = "1.3.6.1.5.5.7.48.2"

Name = tuple[tuple[tuple[str, str], ...], ...]


class Node(NamedTuple):
    """One element of DER: its tag and its contents."""

    tag: int
    data: bytes

    def children(self) -> list["Node"]:
        """The elements inside."""
        return list(_read(self.data))


def _read(data: bytes) -> Iterator[Node]:
    """The elements in `data`.

    Raises:
        ValueError: it is no DER.
    """
    at = 0
    while at < len(data):
        if len(data) - at < 2:
            raise ValueError("a certificate is cut short")
        tag, length = data[at], data[at + 1]
        at += 2
        if length & 0x80:
            size = length & 0x7F
            length = int.from_bytes(data[at : at + size], "big")
            at += size
        if at + length > len(data):
            raise ValueError("a certificate is cut short")
        yield Node(tag, data[at : at + length])
        at += length


def _oid(data: bytes) -> str:
    numbers: list[int] = []
    number = 0
    for byte in data:
        number = number << 7 | byte & 0x7F
        if not byte & 0x80:
            numbers.append(number)
            number = 0
    if not numbers:
        return ""
    first = min(numbers[0] // 40, 2)
    return ".".join(map(str, (first, numbers[0] - first * 40, *numbers[1:])))


def _text(node: Node) -> str:
    encodings = {_UTF16: "utf-16-be", _UTF32: "utf-32-be", _LATIN1: "latin-1"}
    return node.data.decode(encodings.get(node.tag, "utf-8"), "replace")


def _name(node: Node) -> Name:
    names = []
    for part in node.children():
        pairs = (pair.children() for pair in part.children())
        names.append(tuple((oids.long_name(_oid(key.data)), _text(text)) for key, text in pairs))
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
        return "Registered ID", oids.long_name(_oid(node.data))
    return "othername", "<unsupported>"


def _uris(nodes: list[Node]) -> tuple[str, ...]:
    return tuple(_text(node) for node in nodes if node.tag & 0x1F == 6)


def _access(extension: Node) -> dict[str, tuple[str, ...]]:
    found: dict[str, tuple[str, ...]] = {}
    names = {_OCSP: "OCSP", _ISSUERS: "caIssuers"}
    for description in extension.children():
        method, location = description.children()
        name = names.get(_oid(method.data))
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


def _extension_info(node: Node) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for extension in node.children()[0].children():
        key, *_, value = extension.children()
        name = _oid(key.data)
        if name not in (_ALT_NAME, _ACCESS, _CRLS):
            continue
        (inner,) = value.children()
        if name == _ALT_NAME:
            found["subjectAltName"] = tuple(_general_name(each) for each in inner.children())
        elif name == _ACCESS:
            found |= _access(inner)
        else:
            found["crlDistributionPoints"] = _crls(inner)
    order = ("subjectAltName", "OCSP", "caIssuers", "crlDistributionPoints")
    return {name: found[name] for name in order if found.get(name)}


def decode(der: bytes) -> dict[str, Any]:
    """A certificate as `getpeercert()` gives it.

    Raises:
        ValueError: it is no certificate.
    """
    try:
        return _decode(der)
    except (IndexError, StopIteration, UnicodeDecodeError) as error:
        raise ValueError(f"not a certificate: {error}") from None


def _decode(der: bytes) -> dict[str, Any]:
    body, *_ = next(_read(der)).children()
    parts = body.children()
    version = 1
    if parts[0].tag == _VERSION:
        version = parts.pop(0).children()[0].data[0] + 1
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
        """The certificate in PEM or DER."""
        if format == ENCODING_DER:
            return self._der
        if format != ENCODING_PEM:
            raise ValueError("Unsupported format")
        text = base64.b64encode(self._der).decode("ascii")
        lines = [text[i : i + 64] for i in range(0, len(text), 64)]
        border = "-----{} CERTIFICATE-----"
        return "\n".join((border.format("BEGIN"), *lines, border.format("END"), ""))

    def get_info(self) -> dict[str, Any]:
        """The certificate as `getpeercert()` gives it."""
        return decode(self._der)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Certificate) and other._der == self._der

    def __hash__(self) -> int:
        return hash(self._der)

    def __repr__(self) -> str:
        pairs = (pair for rdn in decode(self._der)["subject"] for pair in rdn)
        subject = ", ".join(f"{key}={value}" for key, value in pairs)
        return f"<_ssl.Certificate '{subject}'>"
