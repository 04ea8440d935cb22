"""`ssl.SSLContext` and the functions of `ssl`, on the stand-in `_ssl`."""

import support  # noqa: I001 - first: it installs the stand-ins
from support import HostTest, stock_ssl

import os
import ssl
import tempfile
import unittest
import unittest.mock
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

from test_sockets import outcome

DATA = Path(__file__).parent / "data"


def client(m: Any) -> Any:
    return m.SSLContext(m.PROTOCOL_TLS_CLIENT)


def assign(name: str, value: object) -> Callable[[Any], object]:
    """Sets a setting of a client's context, and reads it back."""

    def call(m: Any) -> object:
        context = client(m)
        setattr(context, name, value)
        return getattr(context, name), context.verify_mode, context.check_hostname

    return call


def bio(*writes: bytes) -> Callable[[Any], object]:
    def call(m: Any) -> object:
        buffer = m.MemoryBIO()
        counts = [buffer.write(data) for data in writes]
        reads = (buffer.pending, buffer.read(2), buffer.pending, buffer.eof)
        buffer.write_eof()
        return counts, reads, buffer.eof, buffer.read(), buffer.eof, buffer.read()

    return call


def after_eof(m: Any) -> object:
    buffer = m.MemoryBIO()
    buffer.write_eof()
    return buffer.write(b"x")


# Calls that must end as on CPython's own `_ssl`.
ALIKE: dict[str, Callable[[Any], object]] = {
    "a client's context": lambda m: (client(m).verify_mode, client(m).check_hostname),
    "its flags": lambda m: (client(m).verify_flags, client(m).options, client(m)._host_flags),
    "its versions": lambda m: (client(m).minimum_version, client(m).maximum_version),
    "a default context": lambda m: repr(m.create_default_context().verify_mode),
    "the old protocol": lambda m: m.SSLContext(m.PROTOCOL_TLS).verify_mode,
    "the old protocol's names": lambda m: m.SSLContext(m.PROTOCOL_TLS).check_hostname,
    "one version": lambda m: m.SSLContext(m.PROTOCOL_TLSv1_2).maximum_version,
    "one version cannot be changed": lambda m: setattr(
        m.SSLContext(m.PROTOCOL_TLSv1_2), "maximum_version", m.TLSVersion.TLSv1_3
    ),
    "no such protocol": lambda m: m.SSLContext(99),
    "no protocol": lambda m: m.SSLContext("x"),
    "no verification with names": assign("verify_mode", 0),
    "no such mode": assign("verify_mode", 7),
    "a mode of text": assign("verify_mode", "x"),
    "optional": assign("verify_mode", 1),
    "no names": assign("check_hostname", False),
    "names by truth": assign("check_hostname", "x"),
    "names ask for verification": lambda m: _names_on(m),
    "verify flags": assign("verify_flags", 0x80000),
    "verify flags of text": assign("verify_flags", "x"),
    "options": assign("options", 0x82520050),
    "options of more than 64 bits": lambda m: outcome(lambda: assign("options", 1 << 100)(m))[0],  # type: ignore[index]
    "options of text": lambda m: outcome(lambda: assign("options", "x")(m))[0],  # type: ignore[index]
    "the lowest version": assign("minimum_version", 772),
    "the lowest version of all": assign("minimum_version", -2),
    "the lowest version is the highest": assign("minimum_version", -1),
    "the highest version": assign("maximum_version", 771),
    "no such version": assign("minimum_version", 5),
    "a version of text": assign("minimum_version", "x"),
    "a callback for a client": assign("sni_callback", print),
    "a callback for a server": lambda m: setattr(
        m.SSLContext(m.PROTOCOL_TLS_SERVER), "sni_callback", 3
    ),
    "a message callback": assign("_msg_callback", 3),
    "tickets of a client": assign("num_tickets", 3),
    "authentication later": assign("post_handshake_auth", 1),
    "the protocol": assign("protocol", 1),
    "statistics": lambda m: (client(m).session_stats(), client(m).cert_store_stats()),
    "no authorities": lambda m: (client(m).get_ca_certs(), client(m).get_ca_certs(True)),
    "no ciphers": lambda m: client(m).set_ciphers("foo"),
    "an empty list of ciphers": lambda m: client(m).set_ciphers(""),
    "no cipher at all": lambda m: client(m).set_ciphers("ALL:!ALL"),
    "ciphers of TLS 1.3 alone": lambda m: client(m).set_ciphers("TLS_AES_128_GCM_SHA256"),
    "ciphers that are no text": lambda m: client(m).set_ciphers(5)[0],
    "chosen ciphers": lambda m: _ciphers(m, "ECDHE+AESGCM"),
    "ciphers by exclusion": lambda m: _ciphers(m, "ECDHE+AESGCM:!AES128:!ECDSA"),
    "ciphers in another order": lambda m: _ciphers(m, "ECDHE-RSA-AES128-GCM-SHA256:ECDHE+CHACHA20"),
    "locations of nothing": lambda m: client(m).load_verify_locations(),
    "locations of a number": lambda m: client(m).load_verify_locations(cafile=3.5),
    "a file that is not there": lambda m: client(m).load_verify_locations("/nope"),
    "a folder that is not there": lambda m: client(m).load_verify_locations(capath="/nope"),
    "a file without certificates": lambda m: client(m).load_verify_locations(os.devnull),
    "text without certificates": lambda m: _no_line(
        lambda: client(m).load_verify_locations(cadata="x")
    ),
    "bytes without certificates": lambda m: _no_line(
        lambda: client(m).load_verify_locations(cadata=b"x")
    ),
    "empty text": lambda m: client(m).load_verify_locations(cadata=""),
    "text that is not ASCII": lambda m: client(m).load_verify_locations(cadata="\xe4"),
    "data that is a number": lambda m: client(m).load_verify_locations(cadata=5),
    "a chain that is not there": lambda m: client(m).load_cert_chain("/nope"),
    "a chain of a number": lambda m: client(m).load_cert_chain(3.5),
    "an empty name": lambda m: client(m).wrap_bio(m.MemoryBIO(), m.MemoryBIO(), False, ""),
    "a name with a dot before": lambda m: client(m).wrap_bio(
        m.MemoryBIO(), m.MemoryBIO(), False, ".x"
    ),
    "protocols that are too short": lambda m: client(m).set_alpn_protocols([""]),
    "keys nowhere": assign("keylog_filename", None),
    "purposes": lambda m: (tuple(m.Purpose.SERVER_AUTH), tuple(m.Purpose.CLIENT_AUTH)),
    "an object": lambda m: m._ssl.txt2obj("1.3.6.1.5.5.7.3.1"),
    "an object by name": lambda m: m._ssl.txt2obj("MD5", name=True),
    "no such object": lambda m: m._ssl.txt2obj("1.2.3"),
    "no such name": lambda m: m._ssl.txt2obj("MD5"),
    "an object by number": lambda m: m._ssl.nid2obj(129),
    "no such number": lambda m: m._ssl.nid2obj(100000),
    "random": lambda m: (m.RAND_status(), len(m.RAND_bytes(5)), m.RAND_add(b"x", 1.0)),
    "less than nothing at random": lambda m: m.RAND_bytes(-1),
    "a session": lambda m: m.SSLSession(),
    "a buffer": bio(b"abc", b"", b"de"),
    "a buffer of text": bio("x"),  # type: ignore[arg-type]
    "a buffer after its end": after_eof,
    "a buffer read for nothing": lambda m: m.MemoryBIO().read(0),
    "times": lambda m: m.cert_time_to_seconds("Jan  5 09:34:43 2018 GMT"),
    "the text of an error": lambda m: (str(m.SSLError(1, "x")), str(m.SSLError("x"))),
    "an error of nothing": lambda m: (m.SSLError().args, str(m.SSLError())),
    "the classes of errors": lambda m: [
        [base.__name__ for base in kind.__mro__]
        for kind in (
            *(m.SSLError, m.SSLZeroReturnError, m.SSLWantReadError, m.SSLWantWriteError),
            *(m.SSLSyscallError, m.SSLEOFError, m.SSLCertVerificationError),
        )
    ],
}


def _names_on(m: Any) -> object:
    context = client(m)
    context.check_hostname = False
    context.verify_mode = m.CERT_NONE
    context.check_hostname = True
    return context.verify_mode


def _ciphers(m: Any, text: str) -> object:
    context = client(m)
    context.set_ciphers(text)
    return context.get_ciphers()


def _no_line(call: Callable[[], object]) -> object:
    """Returns the text of an `SSLError` without the line of `_ssl.c`, which differs by version."""
    try:
        return call()
    except OSError as error:
        return type(error).__name__, error.errno, str(error).partition("(_ssl.c")[0]


@unittest.skipIf(stock_ssl is None, "compares with CPython's own _ssl, which is not here")
class LikeCPython(unittest.TestCase):
    def test_results_are_those_of_the_real_module(self) -> None:
        for name, call in ALIKE.items():
            with self.subTest(name), warnings.catch_warnings(record=True) as theirs:
                warnings.simplefilter("always")
                expected = _strip(outcome(lambda c=call: c(stock_ssl)))
                with warnings.catch_warnings(record=True) as ours:
                    warnings.simplefilter("always")
                    self.assertEqual(_strip(outcome(lambda c=call: c(ssl))), expected)
                self.assertEqual([str(w.message) for w in ours], [str(w.message) for w in theirs])

    def test_constants_have_openssls_values(self) -> None:
        import _ssl

        from sandbox_net import ssl_constants

        stock = vars(stock_ssl)["_ssl"]
        for name, value in ssl_constants.contents().items():
            if hasattr(stock, name) and not name.startswith(("HAS_", "OPENSSL_", "OP_NO_RENEG")):
                with self.subTest(name):
                    self.assertEqual(value, getattr(stock, name))
        absent = {name for name in vars(stock) if not hasattr(_ssl, name)}
        platform = ("__", "_PROTOCOL_", "OP_", "VERIFY_")
        self.assertEqual({name for name in absent if not name.startswith(platform)}, set())

    def test_classes_have_the_real_ones_members(self) -> None:
        import _ssl

        stock = vars(stock_ssl)["_ssl"]
        for name in ("_SSLContext", "_SSLSocket", "MemoryBIO", "Certificate"):
            theirs = {member for member in dir(getattr(stock, name)) if member[:2] != "__"}
            self.assertLessEqual(theirs, set(dir(getattr(_ssl, name))))


def _strip(result: object) -> object:
    """Returns the result without the line of `_ssl.c` in its text."""
    if isinstance(result, tuple) and isinstance(result[-1], str):
        return (*result[:-1], result[-1].partition(" (_ssl.c")[0])
    return result


class Settings(HostTest):
    def refused(self, call: Callable[[], object], text: str) -> None:
        with self.assertRaises(ssl.SSLError) as caught:
            call()
        self.assertIn("sandbox-net: ", str(caught.exception))
        self.assertIn(text, str(caught.exception))

    def test_authorities_of_the_programs_own_are_kept_for_the_host(self) -> None:
        pem = (DATA / "plain.pem").read_text("ascii")
        der = ssl.PEM_cert_to_DER_cert(pem)
        with tempfile.TemporaryDirectory() if _writable() else _nothing() as folder:
            ways: list[dict[str, Any]] = [
                {"cafile": DATA / "plain.pem"},
                {"cafile": bytes(DATA / "plain.pem")},
                {"cadata": pem},
                {"cadata": der},
                {"cadata": der + der},
            ]
            if folder:
                Path(folder, "0a1b2c3d.0").write_text(pem)
                Path(folder, "README").write_text("no certificate")
                ways.append({"capath": folder})
            for way in ways:
                context = client(ssl)
                context.load_verify_locations(**way)
                self.assertEqual((context.roots.host, context.roots.own), (False, (der,)), way)

    def test_authorities_may_stand_beside_the_public_roots(self) -> None:
        context = ssl.create_default_context()
        context.load_verify_locations(DATA / "plain.pem")
        self.assertTrue(context.roots.host)
        self.assertEqual(len(context.roots.own), 1)

    def test_a_client_certificate_is_read_with_its_key(self) -> None:
        if not _writable():
            self.skipTest("needs a folder to write to")
        pem = (DATA / "plain.pem").read_text("ascii")
        with tempfile.TemporaryDirectory() as folder:
            both = Path(folder, "both.pem")
            for kind in ("PRIVATE KEY", "RSA PRIVATE KEY", "EC PRIVATE KEY"):
                both.write_text(f"{pem}-----BEGIN {kind}-----\nMAA=\n-----END {kind}-----\n")
                context = client(ssl)
                context.load_cert_chain(both)
                certificate = context.request("a.example").client
                self.assertEqual(certificate.certificates, (ssl.PEM_cert_to_DER_cert(pem),))
                self.assertEqual(certificate.key, b"0\0")

    def test_an_encrypted_key_is_refused_with_the_way_out(self) -> None:
        if not _writable():
            self.skipTest("needs a folder to write to")
        pem = (DATA / "plain.pem").read_text("ascii")
        kind = "ENCRYPTED PRIVATE KEY"
        with tempfile.TemporaryDirectory() as folder:
            both = Path(folder, "both.pem")
            both.write_text(f"{pem}-----BEGIN {kind}-----\nMAA=\n-----END {kind}-----\n")
            self.refused(lambda: client(ssl).load_cert_chain(both, password="x"), "openssl pkey")

    def test_a_certificate_without_a_key_is_an_error(self) -> None:
        with self.assertRaisesRegex(ssl.SSLError, "PEM lib"):
            client(ssl).load_cert_chain(DATA / "plain.pem")

    def test_the_public_roots_are_known(self) -> None:
        context = client(ssl)
        self.assertFalse(context.roots)
        context.load_default_certs()
        self.assertTrue(context.roots.host)

    def test_a_bundle_of_public_roots_is_known_by_its_place(self) -> None:
        if not _writable():
            self.skipTest("needs a folder to write to")
        pem = (DATA / "plain.pem").read_text("ascii")
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "site-packages", "certifi", "cacert.pem")
            path.parent.mkdir(parents=True)
            path.write_text(pem)
            context = client(ssl)
            context.load_verify_locations(path)
            self.assertTrue(context.roots.host)
            self.assertEqual(context.roots.own, ())

    def test_authorities_named_by_the_environment_take_the_place_of_the_public_roots(self) -> None:
        file, nowhere = str(DATA / "plain.pem"), str(DATA / "nowhere")
        cases: list[tuple[dict[str, str], tuple[bool, int]]] = [
            ({}, (True, 0)),
            # OpenSSL reads a file and a folder, and only the file differs.
            ({"SSL_CERT_FILE": file}, (True, 1)),
            ({"SSL_CERT_FILE": file, "SSL_CERT_DIR": nowhere}, (False, 1)),
            ({"SSL_CERT_FILE": nowhere, "SSL_CERT_DIR": nowhere}, (False, 0)),
        ]
        others = {k: v for k, v in os.environ.items() if k not in ("SSL_CERT_FILE", "SSL_CERT_DIR")}
        for variables, expected in cases:
            with unittest.mock.patch.dict(os.environ, others | variables, clear=True):
                roots = ssl.create_default_context().roots
            self.assertEqual((roots.host, len(roots.own)), expected, variables)

    def test_settings_that_are_the_hosts_are_refused(self) -> None:
        context = client(ssl)
        self.refused(lambda: context.set_ecdh_curve("prime256v1"), "groups")
        self.refused(lambda: setattr(context, "keylog_filename", "keys"), "stay with the host")
        self.refused(lambda: context.load_dh_params(DATA / "plain.pem"), "no TLS servers")

    def test_the_version_is_one_that_programs_accept(self) -> None:
        self.assertTrue(ssl.OPENSSL_VERSION.startswith("OpenSSL 3.0.0 "))
        self.assertGreaterEqual(ssl.OPENSSL_VERSION_INFO, (1, 1, 1))
        self.assertTrue(ssl.HAS_SNI and ssl.HAS_ALPN and ssl.HAS_TLSv1_3)
        self.assertTrue(ssl.HAS_NEVER_CHECK_COMMON_NAME)


def _writable() -> bool:
    try:
        with tempfile.TemporaryDirectory():
            return True
    except OSError:
        return False


class _nothing:
    def __enter__(self) -> None:
        return None

    def __exit__(self, *exc: object) -> None:
        return None


if __name__ == "__main__":
    _ = support
    unittest.main()
