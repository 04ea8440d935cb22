"""The host's errors as CPython's exceptions."""

import support  # noqa: F401, I001 - first: it installs the stand-ins

import errno
import socket
import ssl
import struct
import unittest

from sandbox_net.channel import ChannelError
from sandbox_net.errors import exception_for, is_refusal, lookup_exception_for

# code, detail, text -> type, errno, text of the exception
ERRORS = [
    (1, 0, "no", PermissionError, errno.EACCES, "no"),
    (2, 0, "", socket.gaierror, socket.EAI_NONAME, "Name or service not known"),
    (2, 1, "", socket.gaierror, socket.EAI_AGAIN, "Temporary failure in name resolution"),
    (2, 2, "", socket.gaierror, socket.EAI_FAIL, "Non-recoverable failure in name resolution"),
    (3, 0, "", ConnectionRefusedError, errno.ECONNREFUSED, None),
    (4, 0, "", OSError, errno.ENETUNREACH, None),
    (5, 0, "", ConnectionResetError, errno.ECONNRESET, None),
    (6, 0, "", TimeoutError, errno.ETIMEDOUT, "the host's deadline passed during name resolution"),
    (6, 4, "too slow", TimeoutError, errno.ETIMEDOUT, "too slow"),
    (
        9,
        1,
        "",
        OSError,
        errno.ENOBUFS,
        "sandbox-net: the host's limit connections was reached: too many connections are open at "
        "once; whoever runs this program sets it as 'connections' in the policy's [budgets]",
    ),
    (
        9,
        2,
        "",
        OSError,
        errno.ENOBUFS,
        "sandbox-net: the host's limit request-head-size was reached: send fewer or shorter fields",
    ),
    (
        9,
        3,
        "3 of 3",
        OSError,
        errno.ENOBUFS,
        "sandbox-net: the host's limit requests was reached. 3 of 3",
    ),
    (9, 99, "", OSError, errno.ENOBUFS, "sandbox-net: the host's limit 99 was reached"),
    (10, 0, "", OSError, errno.EBADF, None),
    (11, 0, "bad port", OSError, errno.EINVAL, "sandbox-net: bad port"),
    (128, 0, "", OSError, errno.EPROTO, "sandbox-net: channel error 128"),
    (131, 0, "", OSError, errno.EBADF, None),
    (132, 0, "", OSError, errno.EMFILE, None),
    (133, 0, "", OSError, errno.EMSGSIZE, "sandbox-net: a frame that is too large"),
    (134, 0, "", OSError, errno.ENOMEM, None),
    (99, 0, "", OSError, errno.EPROTO, "sandbox-net: channel error 99"),
]

# Each limit of the interface, and the key that sets it.
KEYS = [
    ("response-head-size", "response_head"),
    ("connections", "connections"),
    ("request-head-size", None),
    ("requests", "requests"),
    ("request-rate", "requests_per_second"),
    ("bytes-up", "bytes_up"),
    ("bytes-down", "bytes_down"),
    ("hosts", "hosts"),
    ("time", "seconds"),
    ("host-memory", "host_memory"),
    ("lookups", "lookups"),
    ("connection-rate", "connections_per_second"),
    ("denials", "denials"),
]

CERTIFICATES = [
    (0, "a.example", "", 10, "certificate has expired"),
    (1, "a.example", "", 9, "certificate is not yet valid"),
    (2, "a.example", "", 20, "unable to get local issuer certificate"),
    (6, "a.example", "self-signed certificate", 18, "self-signed certificate"),
    (7, "a.example", "", 19, "self-signed certificate in certificate chain"),
    (28, "a.example", "", 85, "Missing Authority Key Identifier"),
    (37, "a.example", "", 78, "cert info signature and signature algorithm mismatch"),
    (250, "a.example", "what is new", 1,
     "unspecified certificate verification error: what is new"),
    (3, "a.example", "", 62, "Hostname mismatch, certificate is not valid for 'a.example'."),
    (3, "192.0.2.1", "", 64, "IP address mismatch, certificate is not valid for '192.0.2.1'."),
    (3, "2001:db8::1", "", 64, "IP address mismatch, certificate is not valid for '2001:db8::1'."),
    (4, "a.example", "", 23, "certificate revoked"),
    (5, "a.example", "bad encoding", 1,
     "unspecified certificate verification error: bad encoding"),
]  # fmt: skip


class Errors(unittest.TestCase):
    def test_each_error_is_the_exception_of_cpython(self) -> None:
        for code, detail, text, kind, number, expected in ERRORS:
            with self.subTest(code=code, detail=detail):
                error = exception_for(ChannelError(code, detail, text))
                self.assertIs(type(error), kind)
                self.assertEqual(error.errno, number)
                if expected is not None:
                    self.assertEqual(error.strerror, expected)
                self.assertTrue(error.strerror)

    def test_a_denial_names_its_rule_and_reason(self) -> None:
        reasons = {
            0: "no-rule",
            1: "address",
            5: "field",
            6: "deny-rule",
            10: "malformed",
            99: "99",
        }
        for detail, reason in reasons.items():
            error = exception_for(ChannelError(1, detail, "refused", b"rule-7"))
            self.assertEqual(error.args, (errno.EACCES, "refused (rule rule-7)"))
            self.assertEqual((error.deny_reason, error.deny_rule), (reason, "rule-7"))
        error = exception_for(ChannelError(1, 0, "refused by rule-7", b"rule-7"))
        self.assertEqual(error.strerror, "refused by rule-7")

    def test_a_budget_that_is_used_up_is_named(self) -> None:
        limits = {
            1: "connections",
            3: "requests",
            6: "bytes-down",
            8: "time",
            9: "host-memory",
            10: "lookups",
            11: "connection-rate",
            12: "denials",
        }
        for detail, name in limits.items():
            error = exception_for(ChannelError(9, detail))
            self.assertEqual((error.errno, error.limit), (errno.ENOBUFS, name))
            self.assertIn(f"limit {name} was reached", error.strerror)
            advice = "send fewer" if name == "request-head-size" else "in the policy's [budgets]"
            self.assertIn(advice, error.strerror)

    def test_a_budget_that_is_used_up_is_told_with_its_value_and_its_key(self) -> None:
        for detail, (limit, key) in enumerate(KEYS):
            reached = f"sandbox-net: the host's limit {limit} was reached: "
            raised = struct.pack("<Q?", 10 + detail, True)
            error = exception_for(ChannelError(9, detail, "", raised))
            self.assertEqual((error.limit, error.limit_value), (limit, 10 + detail))
            self.assertTrue(error.strerror.startswith(reached), error.strerror)
            at_once = ("size", "connections", "rate", "memory")
            how = "reached" if limit.endswith(at_once) else "used up"
            told = (
                f". The budget {key} = {10 + detail} is {how}; whoever runs this program can "
                f"raise '{key}' in the policy's [budgets]"
            )
            if key is not None:
                self.assertTrue(error.strerror.endswith(told), error.strerror)
            fixed = struct.pack("<Q?", 2**64 - 1, False)
            error = exception_for(ChannelError(9, detail, "", fixed))
            told = (
                f". It is {key} = {2**64 - 1}; '{key}' in the policy's [budgets] can only lower it"
            )
            if key is not None:
                self.assertTrue(error.strerror.endswith(told), error.strerror)
            error = exception_for(ChannelError(9, detail, "", b"odd"))
            self.assertIsNone(error.limit_value)

    def test_the_bound_on_lookups_under_way_is_not_told_as_one_on_connections(self) -> None:
        bound = struct.pack("<Q?", 256, False)
        error = lookup_exception_for(ChannelError(9, 1, "", bound), "a.example")
        self.assertEqual((error.errno, error.limit), (errno.ENOBUFS, "lookups-at-once"))
        self.assertEqual(error.limit_value, 256)
        self.assertTrue(is_refusal(error))
        self.assertEqual(
            error.strerror,
            "sandbox-net: the host's limit lookups-at-once was reached: too many names are being "
            "looked up at once (at most 256); wait until some of the lookups are over",
        )
        error = lookup_exception_for(ChannelError(9, 10, "", bound), "a.example")
        self.assertEqual(error.limit, "lookups")
        connecting = exception_for(ChannelError(9, 1, "", bound), "a.example")
        self.assertEqual(connecting.limit, "connections")

    def test_certificate_faults_read_like_openssl(self) -> None:
        for fault, host, text, code, message in CERTIFICATES:
            with self.subTest(message):
                error = exception_for(ChannelError(7, fault, text), host)
                self.assertIs(type(error), ssl.SSLCertVerificationError)
                self.assertIsInstance(error, ValueError)
                self.assertEqual((error.verify_code, error.verify_message), (code, message))
                self.assertEqual(
                    (error.library, error.reason), ("SSL", "CERTIFICATE_VERIFY_FAILED")
                )
                whole = f"certificate verify failed: {message} (_ssl.c:1000)"
                self.assertEqual(error.args, (1, f"[SSL: CERTIFICATE_VERIFY_FAILED] {whole}"))
                self.assertEqual(str(error), error.args[1])

    def test_the_hosts_own_words_stay_visible(self) -> None:
        error = exception_for(ChannelError(7, 0, "expired yesterday"), "a.example")
        self.assertEqual(error.__notes__, ["sandbox-net: expired yesterday"])

    def test_other_tls_failures_are_ssl_errors(self) -> None:
        error = exception_for(ChannelError(7, 255, "the session broke"))
        self.assertIs(type(error), ssl.SSLError)
        self.assertEqual(error.args, (1, "[SSL] the session broke (_ssl.c:1000)"))
        self.assertEqual((error.library, error.reason), ("SSL", None))

    def test_well_known_tls_failures_read_like_openssl(self) -> None:
        text = "received corrupt message of type InvalidContentType"
        error = exception_for(ChannelError(7, 255, text))
        self.assertEqual(error.reason, "WRONG_VERSION_NUMBER")
        self.assertEqual(
            str(error), "[SSL: WRONG_VERSION_NUMBER] wrong version number (_ssl.c:1000)"
        )
        self.assertEqual(error.__notes__, [f"sandbox-net: {text}"])
        text = "the peer closed the connection in the handshake"
        error = exception_for(ChannelError(7, 255, text))
        self.assertIs(type(error), ssl.SSLEOFError)
        self.assertEqual((error.errno, error.reason), (8, "UNEXPECTED_EOF_WHILE_READING"))


if __name__ == "__main__":
    unittest.main()
