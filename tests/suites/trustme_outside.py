"""Stands in for trustme and for the parts of cryptography that tests use, which no sandbox has."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

from outside import call, module


class Blob:
    """PEM text."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    def bytes(self) -> bytes:
        """The text."""
        return self._data

    @contextmanager
    def tempfile(self, dir: str | None = None) -> Iterator[str]:
        """Writes a file with the text; yields its path."""
        handle, path = tempfile.mkstemp(suffix=".pem", dir=dir)
        os.close(handle)
        self.write_to_path(path)
        yield path
        os.unlink(path)

    def write_to_path(self, path: str, append: bool = False) -> None:
        """Writes a file with the text."""
        with open(path, "ab" if append else "wb") as file:
            file.write(self._data)


class LeafCert:
    """A certificate with its chain and key."""

    def __init__(self, chain: list[str], key: str) -> None:
        self.cert_chain_pems = [Blob(pem.encode()) for pem in chain]
        self.private_key_pem = Blob(key.encode())
        self.private_key_and_cert_chain_pem = Blob((key + "".join(chain)).encode())


class CA:
    """An authority."""

    def __init__(self, made: dict[str, Any] | None = None) -> None:
        made = made or call("new_ca", certificate=None, key=None)
        self._number = made["number"]
        self.cert_pem = Blob(made["pem"].encode())

    @classmethod
    def from_pem(cls, cert_bytes: bytes, private_key_bytes: bytes) -> CA:
        """An existing authority."""
        key = private_key_bytes.decode()
        return cls(call("new_ca", certificate=cert_bytes.decode(), key=key))

    def create_child_ca(self) -> CA:
        """An authority below this one."""
        return CA(call("new_child_ca", number=self._number))

    def issue_cert(self, *identities: str, common_name: str | None = None) -> LeafCert:
        """Makes a certificate."""
        number = self._number
        return LeafCert(
            **call("issue_cert", number=number, identities=identities, common_name=common_name)
        )


def load_pem_private_key(pem: bytes, password: None, backend: None) -> SimpleNamespace:
    """As cryptography's, for keys that are encrypted next."""

    def private_bytes(encoding: object, format: object, encryption: bytes) -> bytes:
        password = encryption.decode()
        return str(call("encrypted_key", pem=pem.decode(), password=password)).encode()

    return SimpleNamespace(private_bytes=private_bytes)


def install() -> None:
    """Makes tests import these classes."""
    sys.modules["trustme"] = sys.modules[__name__]
    for name in ["cryptography", "cryptography.hazmat", "cryptography.hazmat.primitives"]:
        module(name)
    module("cryptography.hazmat.backends", default_backend=lambda: None)
    serialization = module(
        "cryptography.hazmat.primitives.serialization",
        BestAvailableEncryption=lambda password: password,
        Encoding=SimpleNamespace(PEM="PEM"),
        PrivateFormat=SimpleNamespace(TraditionalOpenSSL="TraditionalOpenSSL"),
        load_pem_private_key=load_pem_private_key,
    )
    vars(sys.modules["cryptography.hazmat.primitives"])["serialization"] = serialization
