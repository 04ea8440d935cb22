"""What all TLS sessions share: their settings, and the result of the handshake.

The host speaks TLS. A session here tells the host what the program wants, and the program what
resulted.
"""

import struct
import weakref
from dataclasses import dataclass
from typing import Any, Final, overload

from . import certificate, ciphers
from . import ssl_constants as c
from .buffers import Buffer
from .certificate import Certificate
from .ssl_errors import SSLCertVerificationError, certificate_error, ssl_error
from .tls_host_settings import HostSettings
from .tls_request import TlsRequest
from .tls_settings import TlsSettings

_UNKNOWN_ISSUER: Final = 2
_NO_CRL: Final = (3, "unable to get certificate CRL")
_VERSIONS: Final = {c.PROTO_TLSv1_2: "TLSv1.2", c.PROTO_TLSv1_3: "TLSv1.3"}


class SSLSession:
    """A TLS session to resume. The host keeps its own, so a program never gets one."""

    __module__ = "_ssl"

    def __new__(cls) -> "SSLSession":
        raise TypeError("cannot create '_ssl.SSLSession' instances")


@dataclass(frozen=True, slots=True)
class TlsInfo:
    """The result of a handshake."""

    version: int | None
    """The version's wire bytes; `None` where the host does not know it."""
    cipher: str | None
    """The suite's name at IANA; `None` where the host does not know it."""
    alpn: bytes
    certificates: tuple[bytes, ...]

    @classmethod
    def from_payload(cls, payload: bytes) -> "TlsInfo":
        """Reads the payload of a `tls-info` reply."""
        (version,) = struct.unpack_from("<H", payload)
        at = 3 + payload[2]
        cipher = payload[3:at].decode("ascii", "replace")
        end = at + 1 + payload[at]
        alpn = payload[at + 1 : end]
        (count,) = struct.unpack_from("<H", payload, end)
        at = end + 2
        certificates = []
        for _ in range(count):
            (length,) = struct.unpack_from("<I", payload, at)
            at += 4
            certificates.append(payload[at : at + length])
            at += length
        return cls(version or None, cipher or None, alpn, tuple(certificates))


def _crl_error() -> SSLCertVerificationError:
    error = certificate_error(_UNKNOWN_ISSUER, "")
    code, message = _NO_CRL
    error.args = (1, error.args[1].replace(error.verify_message, message))
    error.strerror = error.args[1]
    error.verify_code = code
    error.verify_message = message
    return error


class _SSLSocket:
    """A session over any transport."""

    __module__ = "_ssl"

    def __init__(self, context: TlsSettings, server_hostname: str | None, owner: Any) -> None:
        self._context = context
        self._owner = None if owner is None else weakref.ref(owner)
        self._server_hostname = server_hostname
        self._info: TlsInfo | None = None

    # What it is.

    @property
    def context(self) -> TlsSettings:
        return self._context

    @context.setter
    def context(self, value: TlsSettings) -> None:
        if not isinstance(value, HostSettings):
            raise TypeError("The value must be a SSLContext")
        self._context = value

    @property
    def owner(self) -> Any:
        return self._owner() if self._owner is not None else None

    @owner.setter
    def owner(self, value: Any) -> None:
        self._owner = weakref.ref(value)

    @property
    def server_side(self) -> bool:
        return False

    @property
    def server_hostname(self) -> str | None:
        return self._server_hostname

    @property
    def session(self) -> None:
        return None

    @session.setter
    def session(self, value: object) -> None:
        raise TypeError("Value is not a SSLSession.")

    @property
    def session_reused(self) -> bool:
        return False

    # The handshake.

    def do_handshake(self) -> None:
        """Lets the host do the handshake."""
        raise NotImplementedError

    @overload
    def read(self, size: int, /) -> bytes: ...

    @overload
    def read(self, size: int, buffer: Buffer, /) -> int: ...

    def read(self, size: int, buffer: Buffer | None = None, /) -> bytes | int:
        """Reads up to `size` bytes, into `buffer` if there is one."""
        raise NotImplementedError

    def write(self, data: Buffer, /) -> int:
        """Sends some of `data`; gives how much."""
        raise NotImplementedError

    def pending(self) -> int:
        """Returns how many bytes can be read without waiting."""
        raise NotImplementedError

    def shutdown(self) -> object:
        """Ends the session."""
        raise NotImplementedError

    def _request(self) -> TlsRequest:
        """Returns what to request from the host.

        Raises:
            SSLError: OpenSSL would fail with these settings before it sends anything.
        """
        self._check_settings()
        return self._context.request(self._server_hostname)

    def _settle(self, payload: bytes) -> None:
        """Keeps the result of the handshake: the payload of a `tls-info` reply."""
        info = TlsInfo.from_payload(payload)
        self._check_result(info)
        self._info = info

    def _check_settings(self) -> None:
        """Fails as OpenSSL would with these settings, before anything is sent."""
        context = self._context
        if not context.usable:
            raise ssl_error("SSL", "NO_PROTOCOLS_AVAILABLE", "no protocols available")
        if context.verify_mode == c.CERT_NONE:
            return
        if not context.roots:
            raise certificate_error(_UNKNOWN_ISSUER, "")
        if context.verify_flags & c.VERIFY_CRL_CHECK_LEAF:
            raise _crl_error()

    def _check_result(self, info: TlsInfo) -> None:
        """Checks the program's own bounds, because the host chose version and cipher."""
        # What the host does not know may be any of them: then the program has to allow them all.
        versions = _VERSIONS if info.version is None else (info.version,)
        if not all(map(self._context.allows, versions)):
            raise ssl_error("SSL", "UNSUPPORTED_PROTOCOL", "unsupported protocol")
        known = {suite.name for suite in ciphers.TLS_1_2}
        names = known if info.cipher is None else known & {ciphers.openssl_name(info.cipher)}
        if not names.issubset(self._context.cipher_names):
            raise ssl_error(
                "SSL", "SSLV3_ALERT_HANDSHAKE_FAILURE", "ssl/tls alert handshake failure"
            )

    # What the handshake settled.

    def _certificates(self) -> tuple[bytes, ...]:
        if self._info is None:
            raise ValueError("handshake not done yet")
        return self._info.certificates

    def getpeercert(self, binary_mode: bool = False, /) -> dict[str, Any] | bytes | None:
        """Returns the certificate of the peer, in DER or parsed."""
        certificates = self._certificates()
        if not certificates:
            return None
        if binary_mode:
            return certificates[0]
        if self._context.verify_mode == c.CERT_NONE:
            return {}
        return certificate.decode(certificates[0])

    def get_unverified_chain(self) -> list[Certificate] | None:
        """Returns the certificates that the peer sent."""
        certificates = self._info.certificates if self._info is not None else ()
        return [Certificate(der) for der in certificates] or None

    # The host discloses only what the peer sent, not the root that it found.
    get_verified_chain = get_unverified_chain

    def version(self) -> str | None:
        """Returns the version of TLS."""
        version = self._info.version if self._info is not None else None
        return None if version is None else _VERSIONS.get(version, "unknown")

    def cipher(self) -> tuple[str, str, int] | None:
        """Returns the cipher suite: its name, the version that defines it, its key's length."""
        cipher = self._info.cipher if self._info is not None else None
        if cipher is None:
            return None
        defined = "TLSv1.2" if "_WITH_" in cipher else "TLSv1.3"
        return ciphers.openssl_name(cipher), defined, ciphers.secret_bits(cipher)

    def shared_ciphers(self) -> None:
        """Returns nothing: only servers know them."""

    def selected_alpn_protocol(self) -> str | None:
        """Returns the agreed protocol."""
        if self._info is None or not self._info.alpn:
            return None
        return self._info.alpn.decode("ascii", "replace")

    def compression(self) -> None:
        """Returns nothing: there is no compression."""

    def group(self) -> None:
        """Returns the group of the key exchange, which the host does not disclose."""

    def client_sigalg(self) -> None:
        """There is no client certificate."""

    def server_sigalg(self) -> None:
        """Returns the server's signature algorithm, which the host does not disclose."""

    def uses_ktls_for_send(self) -> bool:
        """Whether the kernel encrypts: no."""
        return False

    uses_ktls_for_recv = uses_ktls_for_send

    def get_channel_binding(self, cb_type: str = "tls-unique") -> None:
        """Returns the channel binding: TLS 1.3 has no `tls-unique`, and the host discloses none."""
        if cb_type != "tls-unique":
            raise ValueError(f"'{cb_type}' channel binding type not implemented")

    def verify_client_post_handshake(self) -> None:
        """Only servers ask for it."""
        raise ssl_error("SSL", "WRONG_SSL_VERSION", "wrong ssl version")
