"""Makes the exceptions of `ssl` for faults that the broker found upstream, with CPython's texts."""

import re
import ssl

# CPython adds the line of `_ssl.c` that raised. Programs cut it off; none reads the number.
_LINE = "(_ssl.c:1000)"

# `verify_code` (OpenSSL's X509_V_ERR_*) and its text, by the name of `types.certificate-fault`.
_FAULTS = {
    "expired": (10, "certificate has expired"),
    "not-yet-valid": (9, "certificate is not yet valid"),
    "unknown-issuer": (20, "unable to get local issuer certificate"),
    "name-mismatch": (62, "hostname mismatch"),
    "revoked": (23, "certificate revoked"),
    "other": (1, "unspecified certificate verification error"),
    "self-signed": (18, "self-signed certificate"),
    "self-signed-in-chain": (19, "self-signed certificate in certificate chain"),
    "issuer-unavailable": (2, "unable to get issuer certificate"),
    "chain-too-long": (22, "certificate chain too long"),
    "bad-signature": (7, "certificate signature failure"),
    "path-length": (25, "path length constraint exceeded"),
    "purpose": (26, "unsuitable certificate purpose"),
    "no-certificate-signing": (32, "key usage does not include certificate signing"),
    "critical-extension": (34, "unhandled critical extension"),
    "not-an-end-entity": (37, "invalid non-CA certificate (has CA markings)"),
    "proxy": (40, "proxy certificates not allowed, please set the appropriate flag"),
    "permitted-subtree": (47, "permitted subtree violation"),
    "excluded-subtree": (48, "excluded subtree violation"),
    "weak-key": (66, "EE certificate key too weak"),
    "weak-authority-key": (67, "CA certificate key too weak"),
    "weak-signature": (68, "CA signature digest algorithm too weak"),
    "invalid-authority": (79, "invalid CA certificate"),
    "path-length-without-authority": (80, "Path length invalid for non-CA cert"),
    "path-length-without-signing": (81, "Path length given without key usage keyCertSign"),
    "signing-without-authority": (82, "Key usage keyCertSign invalid for non-CA cert"),
    "no-issuer-name": (83, "Issuer name empty"),
    "no-subject-name": (84, "Subject name empty"),
    "no-authority-key-identifier": (85, "Missing Authority Key Identifier"),
    "no-subject-key-identifier": (86, "Missing Subject Key Identifier"),
    "no-alternative-name": (87, "Empty Subject Alternative Name extension"),
    "alternative-name-not-critical": (
        88,
        "Subject empty and Subject Alt Name extension not critical",
    ),
    "constraints-not-critical": (89, "Basic Constraints of CA cert not marked critical"),
    "authority-key-identifier-critical": (90, "Authority Key Identifier marked critical"),
    "subject-key-identifier-critical": (91, "Subject Key Identifier marked critical"),
    "no-key-usage": (92, "CA cert does not include key usage extension"),
    "extensions-before-version3": (93, "Using cert extension requires at least X509v3"),
    "inconsistent-signature-algorithm": (
        78,
        "cert info signature and signature algorithm mismatch",
    ),
}
_IP_MISMATCH = 64
_SSL_ERROR_SSL = 1
_SSL_ERROR_EOF = 8

# OpenSSL's names for texts of the broker's TLS library: an alert (RFC 8446 section 6) ...
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


def ssl_error(
    library: "str | None",
    reason: "str | None",
    text: "str",
    number: "int" = _SSL_ERROR_SSL,
    kind: "type[OSError]" = ssl.SSLError,
) -> "OSError":
    """Makes an `SSLError` as `_ssl.c` does: `[library: reason] text (_ssl.c:…)`."""
    prefix = f"[{library}] " if library else ""
    if reason:
        prefix = f"[{library}: {reason}] "
    error = kind(number, f"{prefix}{text} {_LINE}")
    error.__dict__.update(library=library, reason=reason)
    return error


def certificate_error(fault: "str", host: "str", text: "str" = "") -> "OSError":
    """Makes the error for a certificate that the broker did not accept."""
    code, message = _verify_result(fault, host, text)
    # Before Python 3.7 there is no class of its own, and a name is checked by `ssl.py`.
    kind = getattr(ssl, "SSLCertVerificationError", ssl.SSLError)
    if kind is ssl.SSLError and fault == "name-mismatch":
        return ssl.CertificateError(message)
    whole = f"certificate verify failed: {message}"
    error = ssl_error("SSL", "CERTIFICATE_VERIFY_FAILED", whole, kind=kind)
    error.__dict__.update(verify_code=code, verify_message=message)
    if text and text not in message:
        _note(error, text)
    return error


def failure_error(text: "str") -> "OSError":
    """Makes the error for a failed handshake or session, with the broker's own text."""
    reason = _reason(text)
    message = text or "the TLS handshake failed" if reason is None else _message(reason)
    error = ssl_error("SSL", reason, message)
    if "closed the connection" in text:
        message = "EOF occurred in violation of protocol"
        reason = "UNEXPECTED_EOF_WHILE_READING"
        error = ssl_error("SSL", reason, message, _SSL_ERROR_EOF, ssl.SSLEOFError)
    if text and text not in str(error):
        _note(error, text)
    return error


def _note(error: "OSError", text: "str") -> "None":
    if hasattr(error, "add_note"):  # Python 3.11
        error.add_note(f"sandbox-net: {text}")


def _is_address(host: "str") -> "bool":
    return ":" in host or re.fullmatch(r"[0-9.]+", host) is not None


def _verify_result(fault: "str", host: "str", text: "str") -> "tuple[int, str]":
    is_other = fault not in _FAULTS or fault == "other"
    code, message = _FAULTS["other" if is_other else fault]
    if fault == "name-mismatch":
        what = "Hostname"
        if _is_address(host):
            code, what = _IP_MISMATCH, "IP address"
        return code, f"{what} mismatch, certificate is not valid for '{host}'."
    if is_other and text and text != message:
        return code, f"{message}: {text}"
    return code, message


def _reason(text: "str") -> "str | None":
    """Returns OpenSSL's name for the broker's text."""
    alert = re.search(r"fatal alert: (\w+)", text)
    if alert is not None:
        return _ALERTS.get(alert.group(1))
    return next((reason for sign, reason in _FINDINGS.items() if sign in text), None)


def _message(reason: "str") -> "str":
    """Returns OpenSSL's text for `reason`; since 3.2 it no longer distinguishes alerts of SSL 3."""
    return reason.lower().replace("_", " ").replace("sslv3 alert", "ssl/tls alert")
