"""What a TLS session needs from the settings that it was made with."""

from typing import Protocol

from .tls_request import TlsRequest
from .trust import TrustedRoots


class TlsSettings(Protocol):
    """The part of an `_ssl._SSLContext` that sessions use."""

    roots: TrustedRoots

    @property
    def verify_mode(self) -> int: ...

    @property
    def verify_flags(self) -> int: ...

    @property
    def usable(self) -> bool: ...

    @property
    def cipher_names(self) -> set[str]: ...

    def allows(self, version: int) -> bool: ...

    def request(self, server_hostname: str | None) -> TlsRequest: ...
