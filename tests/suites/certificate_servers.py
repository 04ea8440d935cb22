"""Certificates from trustme, for the `servers.py` of the libraries whose tests make some."""

from __future__ import annotations

import trustme
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)

_authorities: list[trustme.CA] = []


def new_ca(certificate: str | None, key: str | None) -> dict[str, object]:
    """Makes an authority, or keeps the given one; returns its number and certificate as PEM."""
    if certificate and key:
        return _remember(trustme.CA.from_pem(certificate.encode(), key.encode()))
    return _remember(trustme.CA())


def new_child_ca(number: int) -> dict[str, object]:
    """Makes an authority below the one with this number."""
    return _remember(_authorities[number].create_child_ca())


def _remember(authority: trustme.CA) -> dict[str, object]:
    _authorities.append(authority)
    return {"number": len(_authorities) - 1, "pem": authority.cert_pem.bytes().decode()}


def issue_cert(number: int, identities: list[str], common_name: str | None) -> dict[str, object]:
    """Makes a certificate; returns its chain and its key as PEM texts."""
    leaf = _authorities[number].issue_cert(*identities, common_name=common_name)
    return {
        "chain": [blob.bytes().decode() for blob in leaf.cert_chain_pems],
        "key": leaf.private_key_pem.bytes().decode(),
    }


def encrypted_key(pem: str, password: str) -> str:
    """Returns a private key in the old format of OpenSSL, encrypted."""
    key = load_pem_private_key(pem.encode(), password=None)
    encryption = BestAvailableEncryption(password.encode())
    data = key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, encryption)
    return str(data, "ascii")
