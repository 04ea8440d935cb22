"""The exceptions of `_ssl`, with the texts of OpenSSL and CPython."""

import re

# CPython adds the line of `_ssl.c` that raised. Programs cut it off; none reads the number.
_LINE = "(_ssl.c:1000)"

# `verify_code` (OpenSSL's X509_V_ERR_*) and its text, by the number of `types.certificate-fault`.
_FAULTS = (
    (10, "certificate has expired"),
    (9, "certificate is not yet valid"),
    (20, "unable to get local issuer certificate"),
    (62, "hostname mismatch"),
    (23, "certificate revoked"),
    (1, "unspecified certificate verification error"),
    (18, "self-signed certificate"),
    (19, "self-signed certificate in certificate chain"),
    (2, "unable to get issuer certificate"),
    (22, "certificate chain too long"),
    (7, "certificate signature failure"),
    (25, "path length constraint exceeded"),
    (26, "unsuitable certificate purpose"),
    (32, "key usage does not include certificate signing"),
    (34, "unhandled critical extension"),
    (37, "invalid non-CA certificate (has CA markings)"),
    (40, "proxy certificates not allowed, please set the appropriate flag"),
    (47, "permitted subtree violation"),
    (48, "excluded subtree violation"),
    (66, "EE certificate key too weak"),
    (67, "CA certificate key too weak"),
    (68, "CA signature digest algorithm too weak"),
    (79, "invalid CA certificate"),
    (80, "Path length invalid for non-CA cert"),
    (81, "Path length given without key usage keyCertSign"),
    (82, "Key usage keyCertSign invalid for non-CA cert"),
    (83, "Issuer name empty"),
    (84, "Subject name empty"),
    (85, "Missing Authority Key Identifier"),
    (86, "Missing Subject Key Identifier"),
    (87, "Empty Subject Alternative Name extension"),
    (88, "Subject empty and Subject Alt Name extension not critical"),
    (89, "Basic Constraints of CA cert not marked critical"),
    (90, "Authority Key Identifier marked critical"),
    (91, "Subject Key Identifier marked critical"),
    (92, "CA cert does not include key usage extension"),
    (93, "Using cert extension requires at least X509v3"),
    (78, "cert info signature and signature algorithm mismatch"),
)
_OTHER = 5
_IP_MISMATCH = 64
NAME_MISMATCH = 3

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
    """Makes the error for a TLS setting that the guest cannot choose."""
    return ssl_error(None, None, f"sandbox-net: {text}", number=0)


def want_read() -> SSLError:
    """Makes the error of a non-blocking TLS socket that would have to wait for the peer."""
    text = "The operation did not complete (read)"
    return ssl_error(None, None, text, SSL_ERROR_WANT_READ, SSLWantReadError)


def want_write() -> SSLError:
    """Makes the error of a non-blocking TLS socket that would have to wait to send."""
    text = "The operation did not complete (write)"
    return ssl_error(None, None, text, SSL_ERROR_WANT_WRITE, SSLWantWriteError)


def _is_address(host: str) -> bool:
    return ":" in host or re.fullmatch(r"[0-9.]+", host) is not None


def _verify_result(fault: int, host: str, text: str) -> tuple[int, str]:
    known = fault < len(_FAULTS)
    code, message = _FAULTS[fault if known else _OTHER]
    if fault == NAME_MISMATCH:
        what = "Hostname"
        if _is_address(host):
            code, what = _IP_MISMATCH, "IP address"
        return code, f"{what} mismatch, certificate is not valid for '{host}'."
    if (fault == _OTHER or not known) and text and text != message:
        return code, f"{message}: {text}"
    return code, message


# OpenSSL's names for texts of the host's TLS library: an alert of the peer (RFC 8446 section 6) ...
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
    """Returns OpenSSL's name for the host's text."""
    alert = re.search(r"fatal alert: (\w+)", text)
    if alert is not None:
        return _ALERTS.get(alert[1])
    return next((reason for sign, reason in _FINDINGS.items() if sign in text), None)


def _message(reason: str) -> str:
    """Returns OpenSSL's text for `reason`; since 3.2 it no longer distinguishes alerts of SSL 3."""
    return reason.lower().replace("_", " ").replace("sslv3 alert", "ssl/tls alert")


def failure_error(text: str) -> SSLError:
    """Makes the error for a failed handshake or session, with the host's own text."""
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
    """Makes the error for a certificate that the host did not accept."""
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
