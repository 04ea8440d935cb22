"""`_ssl._SSLContext`: the settings of TLS, as far as a program may choose them."""

import operator
import os
import warnings
from collections.abc import Callable
from typing import Any, Final

from . import certificate, ciphers, client_certificate
from . import ssl_constants as c
from .memory_bio import MemoryBIO
from .ssl_errors import SSLError, refused_setting, ssl_error
from .tls_host_settings import HostSettings
from .tls_request import (
    NAME_UNCHECKED,
    PARTIAL_CHAIN,
    STRICT,
    UNVERIFIED,
    VERIFIED,
    ClientCertificate,
    TlsRequest,
)
from .trust import TrustedRoots

_PROTOCOLS: Final = {
    c.PROTOCOL_TLS: None,
    c.PROTOCOL_TLS_CLIENT: None,
    c.PROTOCOL_TLS_SERVER: None,
    c.PROTOCOL_TLSv1: c.PROTO_TLSv1,
    c.PROTOCOL_TLSv1_1: c.PROTO_TLSv1_1,
    c.PROTOCOL_TLSv1_2: c.PROTO_TLSv1_2,
}
_PROTOCOL_NAMES: Final = {
    c.PROTOCOL_TLS: "PROTOCOL_TLS",
    c.PROTOCOL_TLSv1: "PROTOCOL_TLSv1",
    c.PROTOCOL_TLSv1_1: "PROTOCOL_TLSv1_1",
    c.PROTOCOL_TLSv1_2: "PROTOCOL_TLSv1_2",
}
_OLD_VERSIONS: Final = {
    c.PROTO_SSLv3: "SSLv3",
    c.PROTO_TLSv1: "TLSv1",
    c.PROTO_TLSv1_1: "TLSv1_1",
}
_VERSION_OPTIONS: Final = {
    c.PROTO_TLSv1_2: c.OP_NO_TLSv1_2,
    c.PROTO_TLSv1_3: c.OP_NO_TLSv1_3,
}
_MAX_OPTIONS: Final = (1 << 64) - 1
_DEFAULT_OPTIONS: Final = (
    c.OP_ALL
    | c.OP_NO_SSLv3
    | c.OP_CIPHER_SERVER_PREFERENCE
    | c.OP_ENABLE_MIDDLEBOX_COMPAT
    | c.OP_NO_COMPRESSION
)
_NO_VERSION: Final = (
    c.OP_NO_SSLv3 | c.OP_NO_TLSv1 | c.OP_NO_TLSv1_1 | c.OP_NO_TLSv1_2 | c.OP_NO_TLSv1_3
)

# Asking for revocation lists fails (`tls_session.py`). Other flags change nothing: the host looks
# among the trusted certificates first, and accepts no proxy certificates.
_CHECKS: Final = {
    c.VERIFY_X509_STRICT: STRICT,
    c.VERIFY_X509_PARTIAL_CHAIN: PARTIAL_CHAIN,
}


def _deprecated(what: str) -> None:
    warnings.warn(f"ssl.{what} is deprecated", DeprecationWarning, stacklevel=4)


class _SSLContext(HostSettings):
    """Settings for TLS. `ssl.SSLContext` is a subclass."""

    __module__ = "_ssl"

    _protocol: int
    _check_hostname: bool
    _verify_mode: int
    _verify_flags: int
    _options: int
    _minimum: int
    _maximum: int
    _suites: list[ciphers.Suite]
    _security_level: int
    _post_handshake_auth: bool
    _num_tickets: int
    _flags: int
    _servername_callback: Callable[..., Any] | None
    _message_callback: Callable[..., Any] | None
    _alpn: tuple[bytes, ...]
    _client: ClientCertificate | None
    roots: TrustedRoots
    """The loaded certificates. Without any, no certificate can be verified."""

    def __new__(cls, protocol: int, /, *args: object) -> "_SSLContext":
        protocol = operator.index(protocol)
        if protocol not in _PROTOCOLS:
            raise ValueError(f"invalid or unsupported protocol version {protocol}")
        if protocol in _PROTOCOL_NAMES:
            _deprecated(_PROTOCOL_NAMES[protocol])
        self = super().__new__(cls)
        is_client = protocol == c.PROTOCOL_TLS_CLIENT
        self._protocol = protocol
        self._check_hostname = is_client
        self._verify_mode = c.CERT_REQUIRED if is_client else c.CERT_NONE
        self._verify_flags = c.VERIFY_X509_TRUSTED_FIRST
        self._options = _DEFAULT_OPTIONS
        self._minimum = c.PROTO_TLSv1_2
        self._maximum = c.PROTO_MAXIMUM_SUPPORTED
        self._suites = ciphers.select_suites(ciphers.DEFAULT)
        self._security_level = 2
        self._post_handshake_auth = False
        self._num_tickets = 2
        self._flags = c.HOSTFLAG_NO_PARTIAL_WILDCARDS
        self._servername_callback = self._message_callback = None
        self._alpn = ()
        self._client = None
        self.roots = TrustedRoots()
        return self

    # Verification.

    @property
    def protocol(self) -> int:
        return self._protocol

    @property
    def check_hostname(self) -> bool:
        return self._check_hostname

    @check_hostname.setter
    def check_hostname(self, value: object) -> None:
        self._check_hostname = bool(value)
        if self._check_hostname and self._verify_mode == c.CERT_NONE:
            self._verify_mode = c.CERT_REQUIRED

    @property
    def verify_mode(self) -> int:
        return self._verify_mode

    @verify_mode.setter
    def verify_mode(self, value: int) -> None:
        mode = operator.index(value)
        if mode not in (c.CERT_NONE, c.CERT_OPTIONAL, c.CERT_REQUIRED):
            raise ValueError("invalid value for verify_mode")
        if mode == c.CERT_NONE and self._check_hostname:
            raise ValueError("Cannot set verify_mode to CERT_NONE when check_hostname is enabled.")
        self._verify_mode = mode

    @property
    def verify_flags(self) -> int:
        return self._verify_flags

    @verify_flags.setter
    def verify_flags(self, value: int) -> None:
        self._verify_flags = _integer(value)

    @property
    def _host_flags(self) -> int:
        return self._flags

    @_host_flags.setter
    def _host_flags(self, value: int) -> None:
        self._flags = operator.index(value)

    def load_verify_locations(
        self,
        cafile: str | bytes | os.PathLike[str] | None = None,
        capath: str | bytes | os.PathLike[str] | None = None,
        cadata: Any = None,
    ) -> None:
        """Loads root certificates. The policy has to grant any but the public ones."""
        if cafile is None and capath is None and cadata is None:
            raise TypeError("cafile, capath and cadata cannot be all omitted")
        file = _path("cafile", cafile)
        folder = _path("capath", capath)
        if cadata is not None:
            self.roots.load_data(_ca_data(cadata), is_text=isinstance(cadata, str))
        if file is not None:
            self.roots.load_file(file)
        if folder is not None:
            self.roots.load_folder(folder)

    def set_default_verify_paths(self) -> None:
        """Loads the public root certificates, unless the environment names others."""
        self.roots.load_default()

    def cert_store_stats(self) -> dict[str, int]:
        """Returns how many certificates were loaded from files and strings."""
        ders = self.roots.certificates()
        authorities = sum(map(certificate.is_authority, ders))
        return {"x509": len(ders), "crl": 0, "x509_ca": authorities}

    def get_ca_certs(self, binary_form: bool = False) -> list[Any]:
        """Returns the authorities that were loaded from files and strings."""
        ders = [der for der in self.roots.certificates() if certificate.is_authority(der)]
        return ders if binary_form else [certificate.decode(der) for der in ders]

    def load_cert_chain(
        self,
        certfile: str | bytes | os.PathLike[str],
        keyfile: str | bytes | os.PathLike[str] | None = None,
        password: object = None,
    ) -> None:
        """Loads a client certificate, which the policy has to grant."""
        file = _path("certfile", certfile)
        if file is None:
            raise TypeError("certfile should be a valid filesystem path")
        self._client = client_certificate.load(file, _path("keyfile", keyfile))

    def request(self, server_hostname: str | None) -> TlsRequest:
        """Returns what to request from the host."""
        if self._verify_mode == c.CERT_NONE:
            verification = UNVERIFIED
        else:
            verification = VERIFIED if self._check_hostname else NAME_UNCHECKED
        is_verified = verification != UNVERIFIED
        return TlsRequest(
            server_name=server_hostname or "",
            versions=tuple(version for version in _VERSION_OPTIONS if self.allows(version)),
            verification=verification,
            host_roots=is_verified and self.roots.host,
            roots=self.roots.own if is_verified else (),
            client=self._client,
            alpn=self._alpn,
            checks=self._checks() if is_verified else 0,
        )

    def _checks(self) -> int:
        return sum(check for flag, check in _CHECKS.items() if self._verify_flags & flag)

    # Versions and ciphers.

    @property
    def options(self) -> int:
        return self._options

    @options.setter
    def options(self, value: int) -> None:
        options = _integer(value)
        if not 0 <= options <= _MAX_OPTIONS:
            raise OverflowError("options are a number of 64 bits without a sign")
        if options & ~self._options & _NO_VERSION:
            warnings.warn(
                "ssl.OP_NO_SSL*/ssl.OP_NO_TLS* options are deprecated",
                DeprecationWarning,
                stacklevel=3,
            )
        self._options = options

    def _checked_version(self, value: int) -> int:
        version = operator.index(value)
        if _PROTOCOLS[self._protocol] is not None:
            raise ValueError(
                "The context's protocol doesn't support modification of highest and lowest version."
            )
        if version in _OLD_VERSIONS:
            _deprecated(f"TLSVersion.{_OLD_VERSIONS[version]}")
        elif version not in (
            c.PROTO_MINIMUM_SUPPORTED,
            c.PROTO_MAXIMUM_SUPPORTED,
            *_VERSION_OPTIONS,
        ):
            raise ValueError(f"Unsupported TLS/SSL version 0x{version & 0xFFFFFFFF:x}")
        return version

    @property
    def minimum_version(self) -> int:
        return self._minimum

    @minimum_version.setter
    def minimum_version(self, value: int) -> None:
        version = self._checked_version(value)
        is_maximum = version == c.PROTO_MAXIMUM_SUPPORTED
        self._minimum = c.PROTO_TLSv1_3 if is_maximum else version

    @property
    def maximum_version(self) -> int:
        return self._maximum

    @maximum_version.setter
    def maximum_version(self, value: int) -> None:
        version = self._checked_version(value)
        is_minimum = version == c.PROTO_MINIMUM_SUPPORTED
        self._maximum = c.PROTO_TLSv1 if is_minimum else version

    def allows(self, version: int) -> bool:
        """Whether the settings allow a version of TLS."""
        only = _PROTOCOLS[self._protocol]
        if only is not None:
            return version == only
        highest = 0xFFFF if self._maximum == c.PROTO_MAXIMUM_SUPPORTED else self._maximum
        forbidden = self._options & _VERSION_OPTIONS.get(version, 0)
        return self._minimum <= version <= highest and not forbidden

    @property
    def usable(self) -> bool:
        """Whether the settings allow a version of TLS that the host can speak."""
        return any(self.allows(version) for version in _VERSION_OPTIONS)

    def set_ciphers(self, cipherlist: str, /) -> None:
        """Chooses cipher suites for TLS 1.2, in OpenSSL's language."""
        if not isinstance(cipherlist, str):
            kind = type(cipherlist).__name__
            raise TypeError(f"set_ciphers() argument must be str, not {kind}")
        suites = ciphers.select_suites(cipherlist)
        if not suites:
            raise SSLError("No cipher can be selected.")
        self._suites = suites
        level = ciphers.security_level(cipherlist)
        self._security_level = self._security_level if level is None else level

    def get_ciphers(self) -> list[dict[str, Any]]:
        """Returns the chosen cipher suites."""
        return [suite.describe() for suite in (*ciphers.TLS_1_3, *self._suites)]

    @property
    def cipher_names(self) -> set[str]:
        """Returns the names of the chosen cipher suites."""
        return {suite.name for suite in (*ciphers.TLS_1_3, *self._suites)}

    @property
    def security_level(self) -> int:
        return self._security_level

    # The rest.

    def _set_alpn_protocols(self, protos: bytes, /) -> None:
        data = bytes(protos)
        names = []
        while data:
            names.append(data[1 : 1 + data[0]])
            data = data[1 + data[0] :]
        self._alpn = tuple(names)

    @property
    def sni_callback(self) -> Callable[..., Any] | None:
        return self._servername_callback

    @sni_callback.setter
    def sni_callback(self, callback: Callable[..., Any] | None) -> None:
        if self._protocol == c.PROTOCOL_TLS_CLIENT:
            raise ValueError("sni_callback cannot be set on TLS_CLIENT context")
        if callback is not None and not callable(callback):
            raise TypeError("not a callable object")
        self._servername_callback = callback

    @property
    def _msg_callback(self) -> Callable[..., Any] | None:
        return self._message_callback

    @_msg_callback.setter
    def _msg_callback(self, callback: Callable[..., Any] | None) -> None:
        if callback is not None and not callable(callback):
            raise TypeError(f"{callback} is not a callable object.")
        self._message_callback = callback

    @property
    def post_handshake_auth(self) -> bool:
        return self._post_handshake_auth

    @post_handshake_auth.setter
    def post_handshake_auth(self, value: object) -> None:
        self._post_handshake_auth = bool(value)

    @property
    def num_tickets(self) -> int:
        return self._num_tickets

    @num_tickets.setter
    def num_tickets(self, value: int) -> None:
        number = operator.index(value)
        if number < 0:
            raise ValueError("value must be non-negative")
        if self._protocol != c.PROTOCOL_TLS_SERVER:
            raise ValueError("SSLContext is not a server context.")
        self._num_tickets = number

    # Sessions.

    def _wrap_socket(
        self,
        sock: Any,
        server_side: bool,
        server_hostname: str | bytes | None = None,
        *,
        owner: Any = None,
        session: Any = None,
    ) -> Any:
        from .tls_socket import SocketSession

        self._require_client(server_side)
        return SocketSession(self, sock, _server_name(server_hostname), owner)

    def _wrap_bio(
        self,
        incoming: MemoryBIO,
        outgoing: MemoryBIO,
        server_side: bool,
        server_hostname: str | bytes | None = None,
        *,
        owner: Any = None,
        session: Any = None,
    ) -> Any:
        from .tls_bio import BufferSession

        self._require_client(server_side)
        name = _server_name(server_hostname)
        return BufferSession(self, incoming, outgoing, name, owner)

    def _require_client(self, server_side: bool) -> None:
        if server_side:
            if self._protocol == c.PROTOCOL_TLS_CLIENT:
                text = "Cannot create a server socket with a PROTOCOL_TLS_CLIENT context"
                raise ssl_error(None, None, text, number=0)
            raise refused_setting("there are no TLS servers in a sandbox")
        if self._protocol == c.PROTOCOL_TLS_SERVER:
            text = "Cannot create a client socket with a PROTOCOL_TLS_SERVER context"
            raise ssl_error(None, None, text, number=0)


def _integer(value: Any) -> int:
    if not isinstance(value, int):
        raise TypeError(f"argument must be int, not {type(value).__name__}")
    return int(value)


def _server_name(name: str | bytes | None) -> str | None:
    if name is None:
        return None
    text = name.decode("ascii") if isinstance(name, bytes) else name
    if not text or text.startswith("."):
        raise ValueError("server_hostname cannot be an empty string or start with a leading dot.")
    if "\0" in text:
        raise TypeError("argument must be encoded string without null bytes, not str")
    return text


def _path(name: str, value: Any) -> str | None:
    if value is None:
        return None
    try:
        return os.fsdecode(value)
    except TypeError:
        raise TypeError(f"{name} should be a valid filesystem path") from None


def _ca_data(value: Any) -> bytes:
    if isinstance(value, str):
        if value.isascii():
            return value.encode("ascii")
    else:
        try:
            return bytes(memoryview(value))
        except TypeError:
            pass
    raise TypeError("cadata should be an ASCII string or a bytes-like object")
