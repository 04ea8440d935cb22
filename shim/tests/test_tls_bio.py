"""TLS over memory buffers: `SSLObject`, and asyncio on it."""

from support import Answer, HostTest  # noqa: I001 - first: it installs the stand-ins

import asyncio
import socket
import ssl
import unittest
from pathlib import Path
from typing import Any

from fake_host import WAIT, Failure, Tls
from sandbox_net import tls_records
from test_sockets import GET, HELLO

DATA = Path(__file__).parent / "data"
PLAIN = ssl.PEM_cert_to_DER_cert((DATA / "plain.pem").read_text("ascii"))
SETTLED = Tls(alpn=b"http/1.1", certificates=(PLAIN,))


class Session:
    """An `SSLObject` and the socket below it; the test moves the bytes."""

    def __init__(self, context: ssl.SSLContext | None = None, piece: int = 1 << 16) -> None:
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        context = context or ssl.create_default_context()
        self.object = context.wrap_bio(self.incoming, self.outgoing, server_hostname="example.com")
        self.sock = socket.create_connection(("example.com", 443))
        self.piece = piece

    def flush(self) -> None:
        while data := self.outgoing.read(self.piece):
            self.sock.sendall(data)

    def pump(self, call: Any, *args: object) -> Any:
        """Calls until it no longer wants anything, as an event loop does."""
        while True:
            try:
                result = call(*args)
            except ssl.SSLWantReadError:
                self.flush()
                data = self.sock.recv(self.piece)
                self.incoming.write(data) if data else self.incoming.write_eof()
            else:
                self.flush()
                return result


class BioTest(HostTest):
    def session(
        self, context: ssl.SSLContext | None = None, piece: int = 1 << 16, **settings: Any
    ) -> Session:
        settings.setdefault("handler", lambda _: Answer(fields=HELLO, body=[b"hello"]))
        settings.setdefault("tls", SETTLED)
        self.site(port=443, **settings)
        session = Session(context, piece)
        self.addCleanup(session.sock.close)
        return session


class Handshake(BioTest):
    def test_an_exchange_goes_through_in_pieces_of_any_size(self) -> None:
        for piece in (1, 7, 1 << 16):
            context = ssl.create_default_context()
            context.set_alpn_protocols(["http/1.1"])
            session = self.session(context, piece)
            session.pump(session.object.do_handshake)
            self.assertEqual(session.object.version(), "TLSv1.3")
            self.assertEqual(session.object.selected_alpn_protocol(), "http/1.1")
            self.assertEqual(session.object.getpeercert(True), PLAIN)
            self.assertEqual(session.pump(session.object.write, GET), len(GET))
            got = b""
            while not got.endswith(b"hello"):
                got += session.pump(session.object.read, 1000)
            self.assertTrue(got.startswith(b"HTTP/1.1 200 OK\r\n"))
            self.assertEqual(session.pump(session.object.unwrap), None)

    def test_data_is_the_first_thing_that_is_asked_for(self) -> None:
        session = self.session()
        session.pump(session.object.write, GET)
        self.assertEqual(session.pump(session.object.read, 8), b"HTTP/1.1")

    def test_a_bad_certificate_is_the_sessions_error_and_the_sockets_end(self) -> None:
        failure = Failure(7, 0, "certificate expired")
        session = self.session(tls=Tls(script=[WAIT, failure]))
        for _ in range(2):
            with self.assertRaises(ssl.SSLCertVerificationError) as caught:
                session.pump(session.object.do_handshake)
            self.assertEqual(caught.exception.verify_message, "certificate has expired")
        self.assertEqual(session.sock.recv(10), b"")

    def test_settings_that_are_not_granted_are_the_sessions_error(self) -> None:
        refusal = Failure(1, 3, "grant 'unverified'", b"default-deny")
        context = ssl._create_unverified_context()
        session = self.session(context, tls=Tls(refusal=refusal))
        with self.assertRaises(ssl.SSLError) as caught:
            session.pump(session.object.do_handshake)
        self.assertIn("grant 'unverified'", str(caught.exception))

    def test_a_denied_host_is_the_sockets_error(self) -> None:
        session = self.session(tls=Tls(refusal=Failure(1, 0, "only http", b"r")))
        with self.assertRaisesRegex(PermissionError, "only http"):
            session.pump(session.object.do_handshake)

    def test_a_reset_in_the_handshake_is_the_sockets_error(self) -> None:
        session = self.session(tls=Tls(script=[WAIT, Failure(5)]))
        with self.assertRaises(ConnectionResetError):
            session.pump(session.object.do_handshake)

    def test_an_end_before_the_answer_is_an_early_end(self) -> None:
        session = self.session()
        session.incoming.write_eof()
        with self.assertRaises(ssl.SSLEOFError):
            session.object.do_handshake()

    def test_an_answer_that_is_no_tls_is_said_to_be_none(self) -> None:
        session = self.session()
        session.incoming.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        with self.assertRaises(ssl.SSLError) as caught:
            session.object.do_handshake()
        self.assertEqual(caught.exception.reason, "WRONG_VERSION_NUMBER")

    def test_a_version_that_the_program_excludes_is_not_used(self) -> None:
        context = ssl.create_default_context()
        context.minimum_version = ssl.TLSVersion.TLSv1_3
        session = self.session(context, tls=Tls(version=0x0303))
        with self.assertRaises(ssl.SSLError) as caught:
            session.pump(session.object.do_handshake)
        self.assertEqual(caught.exception.reason, "UNSUPPORTED_PROTOCOL")

    def test_tls_begins_on_a_fresh_connection_only(self) -> None:
        session = self.session()
        session.sock.sendall(GET)
        answer = b""
        while not answer.endswith(b"hello"):
            answer += session.sock.recv(1000)
        with self.assertRaises(OSError):
            session.pump(session.object.do_handshake)

    def test_a_record_that_is_too_long_is_not_taken(self) -> None:
        session = self.session()
        prefix = tls_records._PREFIX
        with self.assertRaisesRegex(OSError, "TLS is spoken by the host"):
            session.sock.sendall(prefix + b"\xff\xff\xff\xff")

    def test_servers_are_refused(self) -> None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        with self.assertRaisesRegex(ssl.SSLError, "no TLS servers"):
            context.wrap_bio(ssl.MemoryBIO(), ssl.MemoryBIO(), server_side=True)


class Asyncio(BioTest):
    def test_streams_speak_tls(self) -> None:
        async def fetch() -> tuple[bytes, str | None]:
            context = ssl.create_default_context()
            reader, writer = await asyncio.open_connection("240.9.9.9", 443, ssl=context)
            writer.write(GET)
            head = await reader.readuntil(b"\r\n\r\n")
            body = await reader.readexactly(5)
            version = writer.get_extra_info("ssl_object").version()
            writer.close()
            await writer.wait_closed()
            return head[:15] + body, version

        self.site("240.9.9.9", 443, handler=lambda _: Answer(fields=HELLO, body=[b"hello"]))
        self.assertEqual(asyncio.run(fetch()), (b"HTTP/1.1 200 OKhello", "TLSv1.3"))
        self.assertEqual(self.host.open_handles, 0)

    def test_a_bad_certificate_is_raised_where_the_connection_is_made(self) -> None:
        failure = Failure(7, 2, "unknown issuer")
        self.site("240.9.9.9", 443, tls=Tls(script=[WAIT, failure]))
        with self.assertRaises(ssl.SSLCertVerificationError):
            context = ssl.create_default_context()
            asyncio.run(asyncio.open_connection("240.9.9.9", 443, ssl=context))
        self.assertEqual(self.host.open_handles, 0)


if __name__ == "__main__":
    unittest.main()
