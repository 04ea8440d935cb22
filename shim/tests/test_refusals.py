"""A refused write is reported again to programs that ignored it."""

from support import Answer, HostTest  # noqa: I001 - first: it installs the stand-ins

import asyncio
import contextlib
import socket
import ssl
import sys
import types
import unittest
import unittest.mock
from collections.abc import Callable
from typing import Any

from fake_host import WAIT, Failure
from sandbox_net import anyio_refusals
from test_sockets import GET, HELLO
from test_tls_bio import SETTLED, Session

TEXT = "sandbox-net denied http://example.com: no rule allows it; to allow it, add a rule"
DENIED = Failure(1, 0, TEXT, b"default-deny")
USED_UP = Failure(9, 3, "3 of 3")
POST = b"POST / HTTP/1.1\r\nHost: example.com\r\nContent-Length: 10\r\n\r\n"

USES: dict[str, Callable[[Any], object]] = {
    "recv": lambda s: s.recv(1),
    "recv_into": lambda s: s.recv_into(bytearray(1)),
    "send": lambda s: s.send(GET),
    "sendall": lambda s: s.sendall(GET),
}


class RefusalTest(HostTest):
    def connected(self, port: int = 80, **settings: Any) -> socket.socket:
        settings.setdefault("handler", lambda _: Answer(fields=HELLO, body=[b"hello"]))
        self.site(port=port, **settings)
        sock = socket.create_connection(("example.com", port))
        self.addCleanup(sock.close)
        return sock

    def secured(self, **settings: Any) -> ssl.SSLSocket:
        sock = self.connected(443, tls=SETTLED, **settings)
        secured = ssl.create_default_context().wrap_socket(sock, server_hostname="example.com")
        self.addCleanup(secured.close)
        return secured

    def assert_told(self, use: Callable[[Any], object], thing: object, text: str = TEXT) -> OSError:
        with self.assertRaises(OSError) as caught:
            use(thing)
        self.assertIn(text, str(caught.exception))
        return caught.exception


class Sockets(RefusalTest):
    def test_a_denial_is_told_to_every_later_use(self) -> None:
        for make in (self.connected, self.secured):
            sock = make(request_failures=[DENIED])
            first = self.assert_told(USES["sendall"], sock)
            for name, use in (*USES.items(), *USES.items()):
                with self.subTest(name, make=make.__name__):
                    error = self.assert_told(use, sock)
                    self.assertIs(type(error), type(first))
                    self.assertEqual(error.args, first.args)
                    self.assertEqual(error.deny_reason, "no-rule")  # type: ignore[attr-defined]
                    self.assertIsNot(error, first)
            self.assertEqual(self.host.seen, [])

    def test_a_budget_and_a_proxy_are_told_to_the_next_read(self) -> None:
        sock = self.connected(request_failures=[USED_UP])
        self.assert_told(USES["sendall"], sock, "limit requests was reached. 3 of 3")
        self.assert_told(USES["recv"], sock, "limit requests was reached. 3 of 3")
        sock = self.connected()
        for use in (lambda s: s.sendall(b"CONNECT a:1 HTTP/1.1\r\n\r\n"), USES["recv"]):
            self.assert_told(use, sock, "CONNECT is not carried")

    def test_a_shut_down_socket_is_at_its_end_whatever_it_met(self) -> None:
        sock = self.connected(request_failures=[DENIED])
        self.assert_told(USES["sendall"], sock)
        sock.shutdown(socket.SHUT_RDWR)
        self.assertEqual(sock.recv(1), b"")

    def test_a_refusal_in_the_body_is_told_again(self) -> None:
        sock = self.connected(write_failure=(5, USED_UP))
        self.assert_told(lambda s: s.sendall(POST + b"0123456789"), sock, "limit requests")
        for use in (USES["recv"], USES["send"], USES["recv"]):
            self.assert_told(use, sock, "limit requests")

    def test_a_refusal_in_the_body_says_more_than_that_the_exchange_is_over(self) -> None:
        answer = Answer(before=[Failure(10)])
        sock = self.connected(early=True, handler=lambda _: answer, write_failure=(5, USED_UP))
        self.assert_told(lambda s: s.sendall(POST + b"0123456789"), sock, "limit requests")
        self.assert_told(USES["recv"], sock, "limit requests")

    def test_what_came_before_is_read_first(self) -> None:
        sock = self.connected()
        sock.sendall(GET)
        with self.assertRaises(OSError):
            sock.sendall(GET)  # pipelining
        data = b""
        with self.assertRaisesRegex(OSError, "pipelining"):
            while True:
                data += sock.recv(1000)
        self.assertTrue(data.endswith(b"hello"))

    def test_a_reset_is_told_once_as_by_a_kernel(self) -> None:
        sock = self.connected(handler=lambda _: Answer(before=[Failure(5)]))
        sock.sendall(GET)
        with self.assertRaises(ConnectionResetError):
            sock.recv(1)
        self.assertEqual(sock.recv(1), b"")
        with self.assertRaises(BrokenPipeError):
            sock.sendall(GET)

    def test_the_end_of_an_idle_connection_is_one(self) -> None:
        sock = self.connected(request_failures=[Failure(10)])
        sock.sendall(GET)
        self.assertEqual(sock.recv(1), b"")

    def test_a_denied_connection_says_why_where_only_a_number_was_given(self) -> None:
        for name, use in USES.items():
            with self.subTest(name), socket.socket() as sock:
                self.assertNotEqual(sock.connect_ex(("denied.example", 80)), 0)
                self.assert_told(use, sock, "denied.example:80 is not allowed")

    def test_a_denied_socket_can_connect_elsewhere(self) -> None:
        self.site(handler=lambda _: Answer(fields=HELLO, body=[b"hello"]))
        with socket.socket() as sock:
            sock.connect_ex(("denied.example", 80))
            sock.connect(("example.com", 80))
            sock.sendall(GET)
            self.assertIn(b"200 OK", sock.recv(100))

    def test_no_error_keeps_the_frames_of_another(self) -> None:
        sock = self.connected(request_failures=[DENIED])
        self.assert_told(USES["sendall"], sock)
        depths = []
        for _ in range(3):
            frame = self.assert_told(USES["recv"], sock).__traceback__
            depth = 0
            while frame is not None:
                frame, depth = frame.tb_next, depth + 1
            depths.append(depth)
        self.assertEqual(len(set(depths)), 1)


class Sessions(RefusalTest):
    def test_a_handshake_that_failed_fails_again_in_the_same_way(self) -> None:
        self.site(port=443, tls=SETTLED, connect=[])
        self.host.sites["example.com", 443].tls.script.append(Failure(7, 0, "expired"))
        self.addCleanup(SETTLED.script.clear)
        sock = socket.create_connection(("example.com", 443))
        context = ssl.create_default_context()
        with context.wrap_socket(
            sock, server_hostname="example.com", do_handshake_on_connect=False
        ) as secured:
            for use in (secured.do_handshake, secured.do_handshake, lambda: secured.send(GET)):
                with self.assertRaisesRegex(ssl.SSLCertVerificationError, "expired"):
                    use()

    def test_a_session_over_buffers_meets_the_denial_at_its_socket_again(self) -> None:
        self.site(port=443, tls=SETTLED, request_failures=[DENIED])
        session = Session()
        self.addCleanup(session.sock.close)
        session.pump(session.object.do_handshake)
        with self.assertRaisesRegex(PermissionError, TEXT):
            session.pump(session.object.write, GET)
        with self.assertRaisesRegex(PermissionError, TEXT):
            session.pump(session.object.read, 1)


class Losing(asyncio.Protocol):
    """Raises another error than the one it was given, as some libraries do."""

    def __init__(self) -> None:
        self.lost: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self.given: Exception | None = None

    def connection_lost(self, exc: Exception | None) -> None:
        self.given = exc
        try:
            raise EOFError("no answer")
        except EOFError as error:
            self.lost.set_result(error)


class Asyncio(RefusalTest):
    WAYS: tuple[tuple[int, bool | None], ...] = ((80, None), (443, True))

    def refusing(self, port: int, failure: Failure = DENIED) -> None:
        self.site("240.9.9.9", port, tls=SETTLED, request_failures=[failure])

    def test_a_stream_raises_the_denial_to_reads_and_drains(self) -> None:
        async def tell(port: int, secure: bool | None) -> None:
            reader, writer = await asyncio.open_connection("240.9.9.9", port, ssl=secure)
            waiting = asyncio.ensure_future(reader.read(1))  # it waits before the refusal
            await asyncio.sleep(0)
            writer.write(GET)
            if not secure:  # over TLS the stream learns of it a moment later, as of all errors
                with self.assertRaisesRegex(PermissionError, TEXT):
                    await writer.drain()
            for call in (lambda: waiting, lambda: reader.read(1), writer.drain):
                with self.assertRaisesRegex(PermissionError, TEXT):
                    await call()
            writer.close()
            with contextlib.suppress(PermissionError):
                await writer.wait_closed()

        for port, secure in self.WAYS:
            with self.subTest(port):
                self.refusing(port)
                asyncio.run(tell(port, secure))

    def test_what_a_protocol_raises_for_a_refusal_has_it_as_its_context(self) -> None:
        async def lose(port: int, secure: bool | None) -> tuple[Any, BaseException | None]:
            loop = asyncio.get_running_loop()
            transport, protocol = await loop.create_connection(
                Losing, "240.9.9.9", port, ssl=secure
            )
            transport.write(GET)
            error = await protocol.lost
            return protocol.given, error.__context__

        for port, secure in self.WAYS:
            with self.subTest(port):
                self.refusing(port)
                given, context = asyncio.run(lose(port, secure))
                self.assertIn(TEXT, str(given))
                self.assertIs(context, given)
                self.refusing(port, Failure(5))
                given, context = asyncio.run(lose(port, secure))
                self.assertIsInstance(given, ConnectionResetError)
                self.assertIsNone(context)

    def test_a_used_up_budget_of_connections_is_told_where_it_comes_late(self) -> None:
        limit = Failure(9, 1, "2 of 2")
        self.site("240.9.9.9", 80, connect=[WAIT, limit])
        with self.assertRaisesRegex(OSError, "limit connections was reached. 2 of 2"):
            asyncio.run(asyncio.open_connection("240.9.9.9", 80))


class Anyio(RefusalTest):
    def told(self, cause: BaseException) -> list[str]:
        """Returns what a stream like anyio's raises for a write, and then for a read."""

        class Broken(Exception):
            pass

        class Stream:
            async def send(self) -> None:
                raise Broken from cause

            async def receive(self) -> None:
                raise Broken

        anyio, tls = types.ModuleType("anyio"), types.ModuleType("anyio.streams.tls")
        vars(anyio)["BrokenResourceError"], vars(tls)["TLSStream"] = Broken, Stream
        modules = {"anyio": anyio, "anyio.streams.tls": tls}
        with unittest.mock.patch.dict(sys.modules, modules):
            anyio_refusals.adapt()
            anyio_refusals.adapt()
        stream, texts = Stream(), []
        for call in (stream.send, stream.receive):
            with self.assertRaises(Broken) as caught:
                asyncio.run(call())
            texts.append(str(caught.exception))
        return texts

    def test_what_broke_a_stream_is_told_if_it_is_a_refusal(self) -> None:
        sock = self.connected(request_failures=[DENIED])
        refusal = self.assert_told(USES["sendall"], sock)
        self.assertEqual(self.told(refusal), [str(refusal)] * 2)
        self.assertEqual(self.told(ConnectionResetError("reset")), ["", ""])

    def test_without_anyio_nothing_happens(self) -> None:
        with unittest.mock.patch.dict(sys.modules):
            sys.modules.pop("anyio", None)
            anyio_refusals.adapt()


if __name__ == "__main__":
    unittest.main()
