"""The constants of `_ssl`, with the values of OpenSSL 3."""

from typing import Final

# urllib3 refuses any module whose version does not begin with "OpenSSL ".
OPENSSL_VERSION: Final = "OpenSSL 3.0.0 (sandbox-net: TLS by the host)"
OPENSSL_VERSION_INFO: Final = (3, 0, 0, 0, 0)
OPENSSL_VERSION_NUMBER: Final = 0x3000_0000

CERT_NONE: Final = 0
CERT_OPTIONAL: Final = 1
CERT_REQUIRED: Final = 2

PROTOCOL_TLS: Final = 2
PROTOCOL_TLSv1: Final = 3
PROTOCOL_TLSv1_1: Final = 4
PROTOCOL_TLSv1_2: Final = 5
PROTOCOL_TLS_CLIENT: Final = 16
PROTOCOL_TLS_SERVER: Final = 17

PROTO_MINIMUM_SUPPORTED: Final = -2
PROTO_MAXIMUM_SUPPORTED: Final = -1
PROTO_SSLv3: Final = 0x0300
PROTO_TLSv1: Final = 0x0301
PROTO_TLSv1_1: Final = 0x0302
PROTO_TLSv1_2: Final = 0x0303
PROTO_TLSv1_3: Final = 0x0304

OP_ALL: Final = 0x8000_0050
OP_NO_SSLv3: Final = 0x0200_0000
OP_NO_TLSv1: Final = 0x0400_0000
OP_NO_TLSv1_1: Final = 0x1000_0000
OP_NO_TLSv1_2: Final = 0x0800_0000
OP_NO_TLSv1_3: Final = 0x2000_0000
OP_CIPHER_SERVER_PREFERENCE: Final = 0x0040_0000
OP_ENABLE_MIDDLEBOX_COMPAT: Final = 0x0010_0000
OP_NO_COMPRESSION: Final = 0x0002_0000

VERIFY_CRL_CHECK_LEAF: Final = 0x4
VERIFY_CRL_CHECK_CHAIN: Final = 0xC
VERIFY_X509_PARTIAL_CHAIN: Final = 0x8_0000
VERIFY_X509_STRICT: Final = 0x20
VERIFY_X509_TRUSTED_FIRST: Final = 0x8000

HOSTFLAG_NO_PARTIAL_WILDCARDS: Final = 0x4

ENCODING_PEM: Final = 1
ENCODING_DER: Final = 2

_ALERTS: Final = {
    "CLOSE_NOTIFY": 0,
    "UNEXPECTED_MESSAGE": 10,
    "BAD_RECORD_MAC": 20,
    "RECORD_OVERFLOW": 22,
    "DECOMPRESSION_FAILURE": 30,
    "HANDSHAKE_FAILURE": 40,
    "BAD_CERTIFICATE": 42,
    "UNSUPPORTED_CERTIFICATE": 43,
    "CERTIFICATE_REVOKED": 44,
    "CERTIFICATE_EXPIRED": 45,
    "CERTIFICATE_UNKNOWN": 46,
    "ILLEGAL_PARAMETER": 47,
    "UNKNOWN_CA": 48,
    "ACCESS_DENIED": 49,
    "DECODE_ERROR": 50,
    "DECRYPT_ERROR": 51,
    "PROTOCOL_VERSION": 70,
    "INSUFFICIENT_SECURITY": 71,
    "INTERNAL_ERROR": 80,
    "USER_CANCELLED": 90,
    "NO_RENEGOTIATION": 100,
    "UNSUPPORTED_EXTENSION": 110,
    "CERTIFICATE_UNOBTAINABLE": 111,
    "UNRECOGNIZED_NAME": 112,
    "BAD_CERTIFICATE_STATUS_RESPONSE": 113,
    "BAD_CERTIFICATE_HASH_VALUE": 114,
    "UNKNOWN_PSK_IDENTITY": 115,
}

_ERRORS: Final = {
    "SSL": 1,
    "WANT_READ": 2,
    "WANT_WRITE": 3,
    "WANT_X509_LOOKUP": 4,
    "SYSCALL": 5,
    "ZERO_RETURN": 6,
    "WANT_CONNECT": 7,
    "EOF": 8,
    "INVALID_ERROR_CODE": 10,
}

_OTHERS: Final = {
    "HAS_ALPN": True,
    "HAS_ECDH": True,
    "HAS_NPN": False,
    "HAS_PHA": False,
    "HAS_PSK": False,
    "HAS_PSK_TLS13": False,
    "HAS_SNI": True,
    "HAS_SSLv2": False,
    "HAS_SSLv3": False,
    "HAS_TLS_UNIQUE": True,
    "HAS_TLSv1": False,
    "HAS_TLSv1_1": False,
    "HAS_TLSv1_2": True,
    "HAS_TLSv1_3": True,
    "HOSTFLAG_ALWAYS_CHECK_SUBJECT": 0x1,
    "HOSTFLAG_NO_WILDCARDS": 0x2,
    "HOSTFLAG_MULTI_LABEL_WILDCARDS": 0x8,
    "HOSTFLAG_SINGLE_LABEL_SUBDOMAINS": 0x10,
    "HOSTFLAG_NEVER_CHECK_SUBJECT": 0x20,
    "OP_ENABLE_KTLS": 0x8,
    "OP_IGNORE_UNEXPECTED_EOF": 0x80,
    "OP_LEGACY_SERVER_CONNECT": 0x4,
    "OP_NO_RENEGOTIATION": 0x4000_0000,
    "OP_NO_SSLv2": 0,
    "OP_NO_TICKET": 0x4000,
    "OP_SINGLE_DH_USE": 0,
    "OP_SINGLE_ECDH_USE": 0,
    "PROTOCOL_SSLv23": PROTOCOL_TLS,
    "VERIFY_ALLOW_PROXY_CERTS": 0x40,
    "VERIFY_DEFAULT": 0,
}


def contents() -> dict[str, object]:
    """Returns the constants by name."""
    prefixes = ("CERT_", "ENCODING_", "HOSTFLAG_", "OP", "PROTO", "VERIFY_")
    here = {name: value for name, value in globals().items() if name.startswith(prefixes)}
    alerts = {f"ALERT_DESCRIPTION_{name}": value for name, value in _ALERTS.items()}
    errors = {f"SSL_ERROR_{name}": value for name, value in _ERRORS.items()}
    return {**here, **alerts, **errors, **_OTHERS}
