"""Object identifiers that certificates and `ssl.Purpose` use, with OpenSSL's names."""

import re
from typing import Final, NamedTuple


class Oid(NamedTuple):
    """An object: OpenSSL's number and names for it, and its identifier."""

    nid: int
    short: str
    long: str
    dotted: str


_TABLE: Final = (
    Oid(4, "MD5", "md5", "1.2.840.113549.2.5"),
    Oid(13, "CN", "commonName", "2.5.4.3"),
    Oid(14, "C", "countryName", "2.5.4.6"),
    Oid(15, "L", "localityName", "2.5.4.7"),
    Oid(16, "ST", "stateOrProvinceName", "2.5.4.8"),
    Oid(17, "O", "organizationName", "2.5.4.10"),
    Oid(18, "OU", "organizationalUnitName", "2.5.4.11"),
    Oid(48, "emailAddress", "emailAddress", "1.2.840.113549.1.9.1"),
    Oid(64, "SHA1", "sha1", "1.3.14.3.2.26"),
    Oid(85, "subjectAltName", "X509v3 Subject Alternative Name", "2.5.29.17"),
    Oid(99, "GN", "givenName", "2.5.4.42"),
    Oid(100, "SN", "surname", "2.5.4.4"),
    Oid(103, "crlDistributionPoints", "X509v3 CRL Distribution Points", "2.5.29.31"),
    Oid(105, "serialNumber", "serialNumber", "2.5.4.5"),
    Oid(106, "title", "title", "2.5.4.12"),
    Oid(107, "description", "description", "2.5.4.13"),
    Oid(129, "serverAuth", "TLS Web Server Authentication", "1.3.6.1.5.5.7.3.1"),
    Oid(130, "clientAuth", "TLS Web Client Authentication", "1.3.6.1.5.5.7.3.2"),
    Oid(177, "authorityInfoAccess", "Authority Information Access", "1.3.6.1.5.5.7.1.1"),
    Oid(178, "OCSP", "OCSP", "1.3.6.1.5.5.7.48.1"),
    Oid(179, "caIssuers", "CA Issuers", "1.3.6.1.5.5.7.48.2"),
    Oid(391, "DC", "domainComponent", "0.9.2342.19200300.100.1.25"),
    Oid(458, "UID", "userId", "0.9.2342.19200300.100.1.1"),
    Oid(660, "street", "streetAddress", "2.5.4.9"),
    Oid(661, "postalCode", "postalCode", "2.5.4.17"),
    Oid(672, "SHA256", "sha256", "2.16.840.1.101.3.4.2.1"),
    Oid(860, "businessCategory", "businessCategory", "2.5.4.15"),
    Oid(955, "jurisdictionL", "jurisdictionLocalityName", "1.3.6.1.4.1.311.60.2.1.1"),
    Oid(956, "jurisdictionST", "jurisdictionStateOrProvinceName", "1.3.6.1.4.1.311.60.2.1.2"),
    Oid(957, "jurisdictionC", "jurisdictionCountryName", "1.3.6.1.4.1.311.60.2.1.3"),
    Oid(1089, "organizationIdentifier", "organizationIdentifier", "2.5.4.97"),
)
_BY_NID: Final = {oid.nid: oid for oid in _TABLE}
_BY_DOTTED: Final = {oid.dotted: oid for oid in _TABLE}
_BY_NAME: Final = {name: oid for oid in _TABLE for name in (oid.short, oid.long)}


def long_name(dotted: str) -> str:
    """Returns the long name of an identifier, or the identifier itself."""
    return _BY_DOTTED[dotted].long if dotted in _BY_DOTTED else dotted


def _plain(oid: Oid) -> tuple[int, str, str, str]:
    return oid.nid, oid.short, oid.long, oid.dotted


def txt2obj(txt: str, name: bool = False) -> tuple[int, str, str, str]:
    """Returns an object by its identifier or, if `name` is set, also by its names."""
    if txt in _BY_DOTTED:
        return _plain(_BY_DOTTED[txt])
    if name and txt in _BY_NAME:
        return _plain(_BY_NAME[txt])
    if re.fullmatch(r"[0-2](\.[0-9]+)+", txt):
        raise ValueError("Unknown object")
    raise ValueError(f"unknown object '{txt[:100]}'")


def nid2obj(nid: int, /) -> tuple[int, str, str, str]:
    """Returns an object by OpenSSL's number."""
    if nid not in _BY_NID:
        raise ValueError(f"unknown NID {nid}")
    return _plain(_BY_NID[nid])
