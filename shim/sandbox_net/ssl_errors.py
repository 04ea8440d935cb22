"""The exceptions of `_ssl`, and the texts that OpenSSL and CPython put into them."""

import re

# CPython names the line of `_ssl.c` that raised. Programs cut it off; none reads the number.
_LINE = "(_ssl.c:1000)"

# Values of `verify_code` (OpenSSL's X509_V_ERR_*) by `types.certificate-fault`.
_EXPIRED = (10, "certificate has expired")
_NOT_YET_VALID = (9, "certificate is not yet valid")
_UNKNOWN_ISSUER = (20, "unable to get local issuer certificate")
_SELF_SIGNED = (18, "self-signed certificate")
_HOSTNAME_MISMATCH = 62
_IP_MISMATCH = 64
_REVOKED = (23, "certificate revoked")
_UNSPECIFIED = (1, "unspecified certificate verification error")

_FAULTS = {0: _EXPIRED, 1: _NOT_YET_VALID, 2: _UNKNOWN_ISSUER, 4: _REVOKED}
NAME_MISMATCH = 3
_UNKNOWN_ISSUER_FAULT = 2

SSL_ERROR_SSL = 1
SSL_ERROR_WANT_READ = 2
SSL_ERROR_WANT_WRITE = 3
SSL_ERROR_EOF = 8


class SSLError(OSError):
    """TLS failed."""

    __module__ = "ssl"

    library: str | None
    reason: str | None

    def __str__(self) -> str:
        return self.strerror if isinstance(self.strerror, str) else str(self.args)


class SSLZeroReturnError(SSLError):
    """The peer ended the session."""

    __module__ = "ssl"


class SSLWantReadError(SSLError):
    """A non-blocking socket would have to wait for the peer."""

    __module__ = "ssl"


class SSLWantWriteError(SSLError):
    """A non-blocking socket would have to wait to send."""

    __module__ = "ssl"


class SSLSyscallError(SSLError):
    """The system failed beneath TLS."""

    __module__ = "ssl"


class SSLEOFError(SSLError):
    """The connection ended without the end of the session."""

    __module__ = "ssl"


class SSLCertVerificationError(SSLError, ValueError):
    """The certificate of the peer was not accepted."""

    __module__ = "ssl"

    verify_code: int
    verify_message: str


def ssl_error(
    library: str | None,
    reason: str | None,
    text: str,
    number: int = SSL_ERROR_SSL,
    kind: type[SSLError] = SSLError,
) -> SSLError:
    """An `SSLError` as `_ssl.c` makes it: `[library: reason] text (_ssl.c:…)`."""
    prefix = f"[{library}: {reason}] " if reason else f"[{library}] " if library else ""
    error = kind(number, f"{prefix}{text} {_LINE}")
    error.library = library
    error.reason = reason
    return error


def refused_setting(text: str) -> SSLError:
    """A TLS setting that is not the guest's to choose."""
    return ssl_error(None, None, f"sandbox-net: {text}", number=0)


def want_read() -> SSLError:
    """What a non-blocking TLS socket raises where it would have to wait for the peer."""
    text = "The operation did not complete (read)"
    return ssl_error(None, None, text, SSL_ERROR_WANT_READ, SSLWantReadError)


def want_write() -> SSLError:
    """What a non-blocking TLS socket raises where it would have to wait to send."""
    text = "The operation did not complete (write)"
    return ssl_error(None, None, text, SSL_ERROR_WANT_WRITE, SSLWantWriteError)


def _is_address(host: str) -> bool:
    return ":" in host or re.fullmatch(r"[0-9.]+", host) is not None


def _verify_result(fault: int, host: str, text: str) -> tuple[int, str]:
    if fault == NAME_MISMATCH:
        if _is_address(host):
            return _IP_MISMATCH, f"IP address mismatch, certificate is not valid for '{host}'."
        return (
            _HOSTNAME_MISMATCH,
            f"Hostname mismatch, certificate is not valid for '{host}'.",
        )
    if fault == _UNKNOWN_ISSUER_FAULT and re.search(r"self.?signed", text, re.IGNORECASE):
        return _SELF_SIGNED
    if fault in _FAULTS:
        return _FAULTS[fault]
    code, message = _UNSPECIFIED
    return code, f"{message}: {text}" if text else message


# What OpenSSL calls what the host's TLS library says: an alert of the peer (RFC 8446 section 6) ...
_ALERTS = {
    "UnexpectedMessage": "SSLV3_ALERT_UNEXPECTED_MESSAGE",
    "BadRecordMac": "SSLV3_ALERT_BAD_RECORD_MAC",
    "RecordOverflow": "TLSV1_ALERT_RECORD_OVERFLOW",
    "HandshakeFailure": "SSLV3_ALERT_HANDSHAKE_FAILURE",
    "BadCertificate": "SSLV3_ALERT_BAD_CERTIFICATE",
    "UnsupportedCertificate": "SSLV3_ALERT_UNSUPPORTED_CERTIFICATE",
    "CertificateRevoked": "SSLV3_ALERT_CERTIFICATE_REVOKED",
    "CertificateExpired": "SSLV3_ALERT_CERTIFICATE_EXPIRED",
    "CertificateUnknown": "SSLV3_ALERT_CERTIFICATE_UNKNOWN",
    "IllegalParameter": "SSLV3_ALERT_ILLEGAL_PARAMETER",
    "UnknownCA": "TLSV1_ALERT_UNKNOWN_CA",
    "AccessDenied": "TLSV1_ALERT_ACCESS_DENIED",
    "DecodeError": "TLSV1_ALERT_DECODE_ERROR",
    "DecryptError": "TLSV1_ALERT_DECRYPT_ERROR",
    "ProtocolVersion": "TLSV1_ALERT_PROTOCOL_VERSION",
    "InsufficientSecurity": "TLSV1_ALERT_INSUFFICIENT_SECURITY",
    "InternalError": "TLSV1_ALERT_INTERNAL_ERROR",
    "UnsupportedExtension": "TLSV1_UNSUPPORTED_EXTENSION",
    "UnrecognisedName": "TLSV1_UNRECOGNIZED_NAME",
    "CertificateRequired": "TLSV13_ALERT_CERTIFICATE_REQUIRED",
    "NoApplicationProtocol": "TLSV1_ALERT_NO_APPLICATION_PROTOCOL",
}
# ... or a fault that it found itself.
_FINDINGS = {
    "InvalidContentType": "WRONG_VERSION_NUMBER",
    "cannot decrypt peer's message": "DECRYPTION_FAILED_OR_BAD_RECORD_MAC",
}


def _reason(text: str) -> str | None:
    """OpenSSL's name for what the host says."""
    alert = re.search(r"fatal alert: (\w+)", text)
    if alert is not None:
        return _ALERTS.get(alert[1])
    return next((reason for sign, reason in _FINDINGS.items() if sign in text), None)


def _message(reason: str) -> str:
    """OpenSSL's text for `reason`: since 3.2 it no longer tells the alerts of SSL 3 apart."""
    return reason.lower().replace("_", " ").replace("sslv3 alert", "ssl/tls alert")


def failure_error(text: str) -> SSLError:
    """The error for a handshake or a session that failed, with the host's words."""
    reason = _reason(text)
    message = text or "the TLS handshake failed" if reason is None else _message(reason)
    error = ssl_error("SSL", reason, message)
    if "closed the connection" in text:
        message = "EOF occurred in violation of protocol"
        error = ssl_error(
            "SSL", "UNEXPECTED_EOF_WHILE_READING", message, SSL_ERROR_EOF, SSLEOFError
        )
    if text and text not in str(error):
        error.add_note(f"sandbox-net: {text}")
    return error


def certificate_error(fault: int, host: str, text: str = "") -> SSLCertVerificationError:
    """The error for a certificate that the host did not accept."""
    code, message = _verify_result(fault, host, text)
    error = ssl_error(
        "SSL",
        "CERTIFICATE_VERIFY_FAILED",
        f"certificate verify failed: {message}",
        kind=SSLCertVerificationError,
    )
    assert isinstance(error, SSLCertVerificationError)
    error.verify_code = code
    error.verify_message = message
    if text and text not in message:
        error.add_note(f"sandbox-net: {text}")
    return error
