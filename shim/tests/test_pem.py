"""Certificates and keys from files and strings, as CPython's own `_ssl` reads them."""

from support import stock_ssl  # noqa: I001 - first: it installs the stand-ins

import ssl
import tempfile
import unittest
from pathlib import Path
from typing import Any

from test_tls_context import DATA, _no_line, _writable, client

BEGIN, END = "-----BEGIN CERTIFICATE-----\n", "-----END CERTIFICATE-----\n"
GOOD = (DATA / "plain.pem").read_text("ascii")
EC, RSA, RICH = (
    (DATA / name).read_text("ascii") for name in ("ec_pair.pem", "rsa_pair.pem", "rich.pem")
)
DER = ssl.PEM_cert_to_DER_cert(GOOD)

TEXTS = {
    "one": GOOD,
    "the same twice": GOOD + GOOD,
    "two with words between": f"first\n{GOOD}second\n{RICH}end",
    "an authority": EC,
    "no authority": RICH,
    "an empty one": BEGIN + END,
    "letters that are none": f"{BEGIN}....\n{END}",
    "half a group of letters": f"{BEGIN}A\n{END}",
    "other bytes": f"{BEGIN}AAAA\n{END}",
    "an empty sequence": f"{BEGIN}MAA=\n{END}",
    "no end": BEGIN + "AAAA\n",
    "a good one, then letters that are none": f"{GOOD}{BEGIN}....\n{END}",
    "a good one, then other bytes": f"{GOOD}{BEGIN}AAAA\n{END}",
    "a good one, then no end": GOOD + BEGIN,
}
BYTES = {
    "one": DER,
    "two": DER + DER,
    "less than a head": b"A",
    "less than it says": b"AB",
    "something else": b"\x02\x01\x01",
    "one, then less than it says": DER + b"AB",
    "one, then something else": DER + b"\x02\x01\x01",
}


def loaded(m: Any, **settings: Any) -> object:
    context = client(m)
    context.load_verify_locations(**settings)
    return context.cert_store_stats(), context.get_ca_certs(), context.get_ca_certs(True)


@unittest.skipIf(stock_ssl is None, "compares with CPython's own _ssl, which is not here")
class LikeCPython(unittest.TestCase):
    def same(self, call: Any) -> None:
        self.assertEqual(_no_line(lambda: call(ssl)), _no_line(lambda: call(stock_ssl)))

    def test_strings_are_read_as_by_the_real_module(self) -> None:
        for name, data in (TEXTS | BYTES).items():
            with self.subTest(name):
                self.same(lambda m, data=data: loaded(m, cadata=data))

    @unittest.skipUnless(_writable(), "needs a folder to write to")
    def test_files_are_read_as_by_the_real_module(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            for name, text in TEXTS.items():
                file = Path(folder, "file.pem")
                file.write_text(text)
                with self.subTest(name):
                    self.same(lambda m, file=file: loaded(m, cafile=file))
                    self.same(lambda m, file=file: client(m).load_cert_chain(file))

    @unittest.skipUnless(_writable(), "needs a folder to write to")
    def test_a_folder_is_read_when_a_peer_needs_it(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            Path(folder, "0a1b2c3d.0").write_text(GOOD)
            Path(folder, "0a1b2c3d.1").write_text(f"{BEGIN}broken\n{END}")
            self.same(lambda m: loaded(m, capath=folder))

    def test_a_key_has_to_be_that_of_the_certificate(self) -> None:
        files = [DATA / name for name in ("ec_pair.pem", "rsa_pair.pem", "plain.pem")]
        for certificate in files:
            for key in files[:2]:
                with self.subTest(f"{certificate.name} with the key of {key.name}"):
                    self.same(lambda m, c=certificate, k=key: client(m).load_cert_chain(c, k))


class OfThisVersion(unittest.TestCase):
    def test_rubbish_behind_a_certificate_is_an_error(self) -> None:
        with self.assertRaisesRegex(ssl.SSLError, "HEADER_TOO_LONG"):
            client(ssl).load_verify_locations(cadata=DER + b"A")


if __name__ == "__main__":
    unittest.main()
