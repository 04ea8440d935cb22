"""TLS sockets: the host does the handshake, and `ssl` shows its result."""

import support  # noqa: I001 - first: it installs the stand-ins
from support import Answer, HostTest

import http.client
import socket
import ssl
import unittest
import urllib.error
import urllib.request
import warnings
from pathlib import Path
from typing import Any

from fake_frames import DEFAULT_CHECKS
from fake_host import WAIT, Failure, Tls, TlsSettings
from sandbox_net.tls_request import (
    NAME_UNCHECKED,
    PARTIAL_CHAIN,
    STRICT,
    UNVERIFIED,
    VERIFIED,
    ClientCertificate,
)
from test_sockets import GET, HELLO

DATA = Path(__file__).parent / "data"
BOTH = (0x0303, 0x0304)
RICH = ssl.PEM_cert_to_DER_cert((DATA / "rich.pem").read_text("ascii"))
PLAIN = ssl.PEM_cert_to_DER_cert((DATA / "plain.pem").read_text("ascii"))

RICH_INFO = {
    "subject": (
        (("countryName", "XX"),),
        (("stateOrProvinceName", "Bavaria"),),
        (("localityName", "M\u00fcnchen"),),
        (("organizationName", "Sandbox Net Tests"),),
        (("organizationalUnitName", "Fixtures"),),
        (("commonName", "www.example.com"),),
        (("emailAddress", "a@example.com"),),
        (("serialNumber", "42"),),
    ),
    "version": 3,
    "serialNumber": "0A1B2C3D4E5F",
    "notBefore": "Nov 21 20:49:37 2026 GMT",
    "notAfter": "Oct 28 20:49:37 2126 GMT",
    "subjectAltName": (
        ("DNS", "www.example.com"),
        ("DNS", "*.example.org"),
        ("IP Address", "192.0.2.1"),
        ("IP Address", "2001:DB8:0:0:0:0:0:1"),
        ("email", "a@example.com"),
        ("URI", "https://example.com/x"),
        ("Registered ID", "1.2.3.4"),
        ("DirName", ((("commonName", "Directory"),), (("organizationName", "Names"),))),
    ),
    "OCSP": ("http://ocsp.example.com/",),
    "caIssuers": ("http://ca.example.com/ca.crt",),
    "crlDistributionPoints": (
        "http://crl.example.com/a.crl",
        "http://crl.example.com/b.crl",
    ),
}


class TlsTest(HostTest):
    def connected(
        self,
        context: ssl.SSLContext | None = None,
        timeout: float | None = None,
        server_hostname: str = "example.com",
        handshake: bool = True,
        **settings: Any,
    ) -> ssl.SSLSocket:
        """Makes a TLS connection to a site that answers `hello`."""
        settings.setdefault("handler", lambda _: Answer(fields=HELLO, body=[b"hello"]))
        self.site(port=443, **settings)
        sock = socket.create_connection(("example.com", 443), timeout)
        self.addCleanup(sock.close)
        context = context or ssl.create_default_context()
        tls = context.wrap_socket(
            sock, server_hostname=server_hostname, do_handshake_on_connect=handshake
        )
        self.addCleanup(tls.close)
        return tls

    def settings(self) -> TlsSettings:
        """Returns the host's last request."""
        settings = self.host.connections[-1].tls_settings
        assert settings is not None
        return settings


class Handshake(TlsTest):
    def test_what_was_settled_is_told(self) -> None:
        context = ssl.create_default_context()
        context.set_alpn_protocols(["h2", "http/1.1"])
        tls = Tls(alpn=b"http/1.1", certificates=(RICH, PLAIN), script=[WAIT])
        sock = self.connected(context, tls=tls)
        (connection,) = self.host.connections
        expected = TlsSettings(
            "example.com",
            BOTH,
            VERIFIED,
            True,
            (),
            (),
            b"",
            (b"h2", b"http/1.1"),
            DEFAULT_CHECKS,
        )
        self.assertEqual(connection.tls_settings, expected)
        self.assertEqual(sock.version(), "TLSv1.3")
        self.assertEqual(sock.cipher(), ("TLS_AES_128_GCM_SHA256", "TLSv1.3", 128))
        self.assertEqual(sock.selected_alpn_protocol(), "http/1.1")
        self.assertIsNone(sock.compression())
        self.assertIsNone(sock.session)
        self.assertFalse(sock.session_reused)
        self.assertIsNone(sock.get_channel_binding())
        self.assertIsNone(sock.shared_ciphers())
        self.assertEqual(sock.server_hostname, "example.com")
        self.assertIs(sock.context, context)
        self.assertEqual(sock._sslobj.owner, sock)  # type: ignore[attr-defined]

    def test_what_the_host_does_not_know_is_none(self) -> None:
        sock = self.connected(tls=Tls(version=0, cipher=""))
        self.assertIsNone(sock.version())
        self.assertIsNone(sock.cipher())
        self.assertIsNone(sock.getpeercert())

    def test_what_the_host_does_not_know_is_not_taken_for_what_the_program_demands(self) -> None:
        newest = ssl.create_default_context()
        newest.minimum_version = ssl.TLSVersion.TLSv1_3
        narrow = ssl.create_default_context()
        narrow.set_ciphers("ECDHE-RSA-AES128-GCM-SHA256")
        for context in (newest, narrow):
            with self.assertRaises(ssl.SSLError):
                self.connected(context, tls=Tls(version=0, cipher=""))

    def test_the_certificate_is_shown_as_openssl_shows_it(self) -> None:
        sock = self.connected(tls=Tls(certificates=(RICH, PLAIN)))
        self.assertEqual(sock.getpeercert(True), RICH)
        info = sock.getpeercert()
        assert info is not None
        self.assertEqual(info, RICH_INFO | {"issuer": RICH_INFO["subject"]})
        self.assertEqual(list(info)[:3], ["subject", "issuer", "version"])
        chain = sock._sslobj.get_unverified_chain()  # type: ignore[attr-defined]
        self.assertEqual([cert.public_bytes(2) for cert in chain], [RICH, PLAIN])
        pem = chain[1].public_bytes()
        self.assertEqual(ssl.PEM_cert_to_DER_cert(pem), PLAIN)
        self.assertEqual(chain[1].get_info()["version"], 1)
        self.assertIn("commonName=plain.example", repr(chain[1]))

    def test_tls_1_2_has_openssls_name_for_its_cipher(self) -> None:
        names = {
            "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256": ("ECDHE-RSA-AES128-GCM-SHA256", 128),
            "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384": ("ECDHE-ECDSA-AES256-GCM-SHA384", 256),
            "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256": ("ECDHE-RSA-CHACHA20-POLY1305", 256),
        }
        for iana, (name, bits) in names.items():
            sock = self.connected(tls=Tls(version=0x0303, cipher=iana))
            self.assertEqual((sock.version(), sock.cipher()), ("TLSv1.2", (name, "TLSv1.2", bits)))

    def test_before_the_handshake_nothing_is_known(self) -> None:
        sock = self.connected(handshake=False)
        self.assertIsNone(sock.version())
        self.assertIsNone(sock.cipher())
        with self.assertRaises(ValueError):
            sock.getpeercert()
        sock.do_handshake()
        self.assertEqual(sock.version(), "TLSv1.3")

    def test_data_goes_through_the_session(self) -> None:
        sock = self.connected()
        sock.sendall(GET)
        self.assertEqual(sock.recv(8), b"HTTP/1.1")
        self.assertGreater(sock.pending(), 0)
        buffer = bytearray(12)
        self.assertEqual(sock.recv_into(buffer), 12)
        self.assertEqual(buffer, b" 200 OK\r\nCon")
        self.assertTrue(self.host.connections[0].tls)

    def test_without_waiting_the_handshake_wants_to_read(self) -> None:
        sock = self.connected(handshake=False, tls=Tls(script=[WAIT]))
        sock.setblocking(False)
        with self.assertRaises(ssl.SSLWantReadError) as caught:
            sock.do_handshake()
        self.assertEqual(caught.exception.errno, ssl.SSL_ERROR_WANT_READ)
        import select

        self.assertEqual(select.select([], [sock], [], 30)[1], [sock])
        sock.do_handshake()
        sock.send(GET)
        self.assertEqual(sock.recv(4), b"HTTP")

    def test_without_waiting_reading_wants_to_read(self) -> None:
        sock = self.connected(handler=lambda _: Answer(fields=HELLO, before=[WAIT] * 9))
        sock.sendall(GET)
        sock.setblocking(False)
        with self.assertRaises(ssl.SSLWantReadError):
            sock.recv(1)

    def test_timeouts_read_as_openssls(self) -> None:
        slow = Tls(script=[WAIT] * 1000)
        with self.assertRaises(TimeoutError) as caught:
            self.connected(timeout=0.01, tls=slow)
        self.assertRegex(str(caught.exception), r"^_ssl\.c:\d+: The handshake operation timed out$")
        sock = self.connected(timeout=0.01, handler=lambda _: Answer(before=[WAIT] * 1000))
        sock.sendall(GET)
        with self.assertRaises(TimeoutError) as caught:
            sock.recv(1)
        self.assertEqual(caught.exception.args, ("The read operation timed out",))
        sock = self.connected(timeout=0.01, window=0)
        sock.sendall(b"POST / HTTP/1.1\r\nContent-Length: 2\r\n\r\nx")
        with self.assertRaises(TimeoutError) as caught:
            sock.sendall(b"x")
        self.assertEqual(caught.exception.args, ("The write operation timed out",))

    def test_failures_are_ssl_errors(self) -> None:
        for failure, text in (
            (Failure(7, 0, "old"), "certificate has expired"),
            (
                Failure(7, 3, "other"),
                "Hostname mismatch, certificate is not valid for 'example.com'.",
            ),
        ):
            with self.assertRaises(ssl.SSLCertVerificationError) as caught:
                self.connected(tls=Tls(script=[WAIT, failure]))
            self.assertIn(text, str(caught.exception))
        for text, reason, message in (
            ("a failure", None, "a failure"),
            (
                *("received fatal alert: BadRecordMac", "SSLV3_ALERT_BAD_RECORD_MAC"),
                "[SSL: SSLV3_ALERT_BAD_RECORD_MAC] ssl/tls alert bad record mac",
            ),
            (
                *("received fatal alert: UnknownCA", "TLSV1_ALERT_UNKNOWN_CA"),
                "[SSL: TLSV1_ALERT_UNKNOWN_CA] tlsv1 alert unknown ca",
            ),
            ("received fatal alert: Unknown(77)", None, "received fatal alert: Unknown(77)"),
            (
                *("cannot decrypt peer's message", "DECRYPTION_FAILED_OR_BAD_RECORD_MAC"),
                "decryption failed or bad record mac",
            ),
        ):
            with self.assertRaises(ssl.SSLError) as other:
                self.connected(tls=Tls(script=[Failure(7, 255, text)]))
            self.assertEqual(other.exception.reason, reason)
            self.assertIn(message, str(other.exception))
        self.assertEqual(self.host.open_handles, 0)

    def test_a_certificate_fault_reaches_urllib_as_it_does_natively(self) -> None:
        self.site(port=443, tls=Tls(script=[Failure(7, 2)]))
        with self.assertRaises(urllib.error.URLError) as caught:
            urllib.request.urlopen("https://example.com/")
        reason = caught.exception.reason
        self.assertIsInstance(reason, ssl.SSLCertVerificationError)
        self.assertEqual(
            str(caught.exception),
            "<urlopen error [SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed: "
            "unable to get local issuer certificate (_ssl.c:1000)>",
        )


class Settings(TlsTest):
    def test_no_verification_is_asked_for_and_refused_by_the_host(self) -> None:
        text = "this sandbox does not allow unverified TLS"
        refusal = Failure(1, 3, text, b"default-deny")
        with self.assertRaises(ssl.SSLError) as caught:
            self.connected(ssl._create_unverified_context(), tls=Tls(refusal=refusal))
        self.assertIn(text, str(caught.exception))

    def test_no_verification_that_the_host_grants_is_used(self) -> None:
        sock = self.connected(ssl._create_unverified_context(), tls=Tls(certificates=(PLAIN,)))
        self.assertEqual(self.settings().verification, UNVERIFIED)
        self.assertEqual((sock.getpeercert(), sock.getpeercert(True)), ({}, PLAIN))

    def test_roots_and_certificates_of_the_programs_own_are_handed_to_the_host(self) -> None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.load_verify_locations(DATA / "plain.pem")
        context._client = ClientCertificate((RICH, PLAIN), b"key")  # type: ignore[attr-defined]
        self.connected(context, tls=Tls(certificates=(PLAIN,)))
        expected = TlsSettings(
            "example.com", BOTH, VERIFIED, False, (PLAIN,), (RICH, PLAIN), b"key", ()
        )
        self.assertEqual(self.settings(), expected)

    def test_a_name_may_go_unchecked_where_the_policy_grants_it(self) -> None:
        context = ssl.create_default_context()
        context.check_hostname = False
        self.connected(context)
        self.assertEqual(self.settings().verification, NAME_UNCHECKED)

    def test_a_name_that_must_be_checked_and_is_right_does_no_harm(self) -> None:
        context = ssl.create_default_context()
        context.check_hostname = False
        self.connected(context, tls=Tls(not_granted=(NAME_UNCHECKED,)))
        self.assertEqual(self.settings().verification, VERIFIED)

    def test_a_name_that_must_be_checked_and_is_wrong_is_refused_with_the_key(self) -> None:
        context = ssl.create_default_context()
        context.check_hostname = False
        tls = Tls(not_granted=(NAME_UNCHECKED,), script=[WAIT, Failure(7, 3, "another name")])
        with self.assertRaises(ssl.SSLError) as caught:
            self.connected(context, tls=tls)
        self.assertNotIsInstance(caught.exception, ssl.SSLCertVerificationError)
        self.assertIn("grant 'verification 2'", str(caught.exception))

    def test_the_checks_of_certificates_are_the_hosts_to_make(self) -> None:
        context = ssl.create_default_context()
        for flags, checks in [
            (ssl.VERIFY_X509_STRICT, STRICT),
            (ssl.VERIFY_X509_PARTIAL_CHAIN, PARTIAL_CHAIN),
            (ssl.VERIFY_X509_STRICT | ssl.VERIFY_X509_PARTIAL_CHAIN, STRICT | PARTIAL_CHAIN),
            (ssl.VERIFY_X509_TRUSTED_FIRST, 0),
        ]:
            context.verify_flags = ssl.VerifyFlags(flags)
            self.connected(context)
            self.assertEqual(self.settings().checks, checks)

    def test_other_denials_are_permission_errors(self) -> None:
        with self.assertRaises(PermissionError) as caught:
            self.connected(tls=Tls(refusal=Failure(1, 0, "only http", b"r")))
        self.assertIn("only http", str(caught.exception))

    def test_another_server_name_is_denied(self) -> None:
        with self.assertRaises(PermissionError):
            self.connected(server_hostname="other.example")

    def test_without_any_roots_nothing_is_verified(self) -> None:
        with self.assertRaises(ssl.SSLCertVerificationError) as caught:
            self.connected(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT))
        self.assertEqual(caught.exception.verify_code, 20)
        self.assertIsNone(self.host.connections[0].tls_settings)

    def test_revocation_lists_that_are_not_there_fail_verification(self) -> None:
        context = ssl.create_default_context()
        context.verify_flags |= ssl.VERIFY_CRL_CHECK_LEAF
        with self.assertRaises(ssl.SSLCertVerificationError) as caught:
            self.connected(context)
        self.assertEqual(caught.exception.verify_message, "unable to get certificate CRL")
        self.assertIn("unable to get certificate CRL", str(caught.exception))

    def test_the_host_is_asked_for_the_versions_that_the_program_accepts(self) -> None:
        def pinned(protocol: int) -> ssl.SSLContext:
            context = ssl.SSLContext(protocol)
            context.check_hostname, context.verify_mode = False, ssl.CERT_REQUIRED
            context.load_default_certs()
            return context

        def bounded(**bounds: Any) -> ssl.SSLContext:
            context = ssl.create_default_context()
            for name, value in bounds.items():
                setattr(context, name, value)
            return context

        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            cases = [
                (bounded(), BOTH),
                (bounded(minimum_version=ssl.TLSVersion.TLSv1), BOTH),
                (bounded(maximum_version=ssl.TLSVersion.TLSv1_2), BOTH[:1]),
                (bounded(minimum_version=ssl.TLSVersion.TLSv1_3), BOTH[1:]),
                (bounded(options=ssl.OP_NO_TLSv1_3), BOTH[:1]),
                (bounded(options=ssl.OP_NO_TLSv1_2), BOTH[1:]),
                (pinned(ssl.PROTOCOL_TLSv1_2), BOTH[:1]),
            ]
        for context, versions in cases:
            self.connected(context, tls=Tls(version=versions[-1]))
            self.assertEqual(self.settings().versions, versions)

    def test_a_version_that_the_program_excludes_is_not_used(self) -> None:
        context = ssl.create_default_context()
        context.minimum_version = ssl.TLSVersion.TLSv1_3
        with self.assertRaises(ssl.SSLError) as caught:
            self.connected(context, tls=Tls(version=0x0303))
        self.assertEqual(caught.exception.reason, "UNSUPPORTED_PROTOCOL")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            context = ssl.create_default_context()
            context.minimum_version = ssl.TLSVersion.TLSv1
            context.maximum_version = ssl.TLSVersion.TLSv1_1
        with self.assertRaises(ssl.SSLError) as caught:
            self.connected(context)
        self.assertEqual(caught.exception.reason, "NO_PROTOCOLS_AVAILABLE")
        self.assertIsNone(self.host.connections[-1].tls_settings)

    def test_a_cipher_that_the_program_excludes_is_not_used(self) -> None:
        context = ssl.create_default_context()
        context.set_ciphers("ECDHE+CHACHA20")
        tls = Tls(version=0x0303, cipher="TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256")
        with self.assertRaises(ssl.SSLError) as caught:
            self.connected(context, tls=tls)
        self.assertEqual(caught.exception.reason, "SSLV3_ALERT_HANDSHAKE_FAILURE")

    def test_servers_are_refused_with_the_reason(self) -> None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.site(port=443)
        with socket.create_connection(("example.com", 443)) as sock:
            with self.assertRaises(ssl.SSLError) as caught:
                context.wrap_socket(sock, server_side=True)
            self.assertIn("no TLS servers", str(caught.exception))


class Order(TlsTest):
    def test_a_socket_is_wrapped_before_it_connects(self) -> None:
        self.site(port=443, handler=lambda _: Answer(fields=HELLO, body=[b"hello"]))
        context = ssl.create_default_context()
        with context.wrap_socket(socket.socket(), server_hostname="example.com") as sock:
            sock.connect(("example.com", 443))
            sock.sendall(GET)
            self.assertEqual(sock.recv(4), b"HTTP")

    def test_tls_after_data_is_refused(self) -> None:
        self.site(port=443, handler=lambda _: Answer(fields=HELLO))
        for data in (GET, GET[:5]):
            with socket.create_connection(("example.com", 443)) as sock:
                sock.sendall(data)
                context = ssl.create_default_context()
                with self.assertRaises(OSError) as caught:
                    context.wrap_socket(sock, server_hostname="example.com")
                self.assertIn("TLS has to begin before", str(caught.exception))

    def test_tls_inside_tls_is_refused(self) -> None:
        sock = self.connected()
        with self.assertRaises(OSError) as caught:
            ssl.create_default_context().wrap_socket(sock, server_hostname="example.com")
        self.assertIn("TLS inside TLS", str(caught.exception))

    def test_no_session_begins_where_nothing_can_be_sent(self) -> None:
        self.site(port=443)
        for how in (socket.SHUT_WR, socket.SHUT_RDWR):
            with (
                self.subTest(how=how),
                socket.create_connection(("example.com", 443)) as sock,
                self.assertRaises(BrokenPipeError),
            ):
                sock.shutdown(how)
                ssl.create_default_context().wrap_socket(sock, server_hostname="example.com")

    def test_unwrap_gives_a_socket_that_is_over(self) -> None:
        sock = self.connected()
        plain = sock.unwrap()
        self.assertEqual(plain.recv(1), b"")
        with self.assertRaises(BrokenPipeError):
            plain.send(GET)

    def test_many_requests_on_one_session(self) -> None:
        self.site(port=443, handler=lambda _: Answer(fields=HELLO, body=[b"hello"]))
        connection = http.client.HTTPSConnection("example.com")
        for _ in range(5):
            connection.request("GET", "/")
            self.assertEqual(connection.getresponse().read(), b"hello")
        self.assertEqual(len(self.host.connections), 1)
        connection.close()
        self.assertEqual(self.host.open_handles, 0)


if __name__ == "__main__":
    _ = support
    unittest.main()
