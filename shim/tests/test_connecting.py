"""Connecting: what the host is asked, and how it can fail."""

import support  # noqa: I001 - first: it installs the stand-ins
from support import HostTest

import contextlib
import errno
import gc
import socket
import unittest
import weakref
from collections.abc import Callable

from fake_host import WAIT, Failure
from test_sockets import GET


class Garbage(HostTest):
    def test_what_a_failed_call_kept_is_free_without_the_collector(self) -> None:
        class Kept:
            pass

        def refused() -> None:
            socket.create_connection(("refused.test", 80))

        def denied() -> None:
            socket.create_connection(("denied.test", 80))

        def malformed() -> None:
            with socket.create_connection(("example.com", 80)) as sock:
                sock.sendall(b"CONNECT x HTTP/1.1\r\n\r\n")

        def unknown() -> None:
            socket.getaddrinfo("missing.test", 80)

        self.site()
        self.site("refused.test", connect=[WAIT, Failure(3)])
        self.host.names["missing.test"] = [WAIT, Failure(2, 1)]
        gc.collect()
        gc.disable()
        self.addCleanup(gc.enable)
        watched = []

        def call(fails: Callable[[], None]) -> None:
            kept = Kept()
            watched.append(weakref.ref(kept))
            fails()

        for fails in (refused, denied, malformed, unknown):
            with self.subTest(fails.__name__):
                with contextlib.suppress(OSError):
                    call(fails)
                    self.fail("it does not fail")
                self.assertIsNone(watched[-1]())


class Connecting(HostTest):
    def test_a_client_may_bind_to_any_address(self) -> None:
        self.site()
        for address in ("", "0.0.0.0"):
            with socket.create_connection(("example.com", 80), source_address=(address, 0)) as sock:
                self.assertEqual(sock.getsockname()[0], "127.0.0.1")
                self.assertGreater(sock.getsockname()[1], 0)
        with socket.socket() as sock:
            sock.bind(("", 0))
            address, port = sock.getsockname()
            self.assertEqual(address, "0.0.0.0")
            sock.connect(("example.com", 80))
            self.assertEqual(sock.getsockname()[1], port)
            with self.assertRaises(OSError):
                sock.bind(("", 0))

    def test_a_client_may_bind_to_loopback_for_a_peer_there(self) -> None:
        self.site("localhost", 8000)
        for family, given, own in (
            (socket.AF_INET, "127.0.0.1", "127.0.0.1"),
            (socket.AF_INET, "localhost", "127.0.0.1"),
            (socket.AF_INET6, "localhost", "::1"),
        ):
            with self.subTest(given), socket.socket(family) as sock:
                sock.bind((given, 0))
                self.assertEqual(sock.getsockname()[0], own)
                sock.connect(("localhost", 8000))
                self.assertEqual(sock.getsockname()[0], own)
            with self.subTest(given), socket.socket(family) as sock:
                sock.bind((given, 0))
                with self.assertRaises(OSError) as caught:
                    sock.connect(("example.com", 80))
                self.assertEqual(caught.exception.errno, errno.EINVAL)

    def test_the_host_gets_the_name_and_the_timeout(self) -> None:
        self.site(port=8080)
        with socket.create_connection(("Example.COM", 8080), timeout=2.5) as sock:
            address, port = sock.getpeername()
        (connection,) = self.host.connections
        self.assertEqual((connection.host, connection.port), ("example.com", 8080))
        self.assertAlmostEqual(connection.timeout / 1e9, 2.5, places=1)
        self.assertTrue(address.startswith("240."))
        self.assertEqual(port, 8080)

    def test_without_a_timeout_the_host_decides(self) -> None:
        self.site()
        socket.create_connection(("example.com", 80)).close()
        self.assertEqual(self.host.connections[0].timeout, 0)

    def test_literals_are_sent_as_they_are(self) -> None:
        self.site("192.0.2.7")
        self.site("2001:db8::7")
        with socket.create_connection(("192.0.2.7", 80)) as sock:
            self.assertEqual(sock.getpeername(), ("192.0.2.7", 80))
        with socket.create_connection(("2001:DB8::0:7", 80)) as sock:
            self.assertEqual(sock.family, socket.AF_INET6)
            self.assertEqual(sock.getpeername(), ("2001:db8::7", 80, 0, 0))

    def test_failures_are_those_of_connect(self) -> None:
        failures: list[tuple[Failure, type[OSError]]] = [
            (Failure(2, 0), socket.gaierror),
            (Failure(3), ConnectionRefusedError),
            (Failure(6, 1, "too slow"), TimeoutError),
            (Failure(4), OSError),
        ]
        for failure, kind in failures:
            for script in ([failure], [WAIT, failure]):
                self.site(connect=script)
                with self.assertRaises(kind):
                    socket.create_connection(("example.com", 80), timeout=30)
        self.assertEqual(self.host.open_handles, 0)

    def test_own_timeout_reads_as_timed_out(self) -> None:
        self.site(connect=[WAIT] * 1000)
        with self.assertRaises(TimeoutError) as caught:
            socket.create_connection(("example.com", 80), timeout=0.01)
        self.assertEqual(caught.exception.args, ("timed out",))
        self.assertEqual(self.host.open_handles, 0)

    def test_a_second_connect_is_an_error(self) -> None:
        self.site()
        with socket.create_connection(("example.com", 80)) as sock:
            self.assertEqual(sock.connect_ex(("example.com", 80)), errno.EISCONN)

    def test_connect_again_after_a_failure(self) -> None:
        site = self.site(connect=[Failure(3)])
        with socket.socket() as sock:
            self.assertEqual(sock.connect_ex(("example.com", 80)), errno.ECONNREFUSED)
            site.connect.clear()
            self.assertEqual(sock.connect_ex(("example.com", 80)), 0)

    def test_connecting_without_waiting(self) -> None:
        self.site(connect=[WAIT])
        with socket.socket() as sock:
            sock.setblocking(False)
            with self.assertRaises(BlockingIOError) as caught:
                sock.connect(("example.com", 80))
            self.assertEqual(caught.exception.errno, errno.EINPROGRESS)
            self.assertEqual(sock.connect_ex(("example.com", 80)), errno.EALREADY)
            with self.assertRaises(BlockingIOError):
                sock.send(GET)
            with self.assertRaises(BlockingIOError):
                sock.recv(1)
            self.assertEqual(sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR), 0)
            sock.settimeout(5)
            import select

            self.assertEqual(select.select([], [sock], [], 5)[1], [sock])
            self.assertEqual(sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR), 0)
            self.assertEqual(sock.getpeername()[1], 80)

    def test_connecting_without_waiting_fails_in_so_error(self) -> None:
        for failure, number in ((Failure(3), errno.ECONNREFUSED), (Failure(2), errno.EHOSTUNREACH)):
            self.site(connect=[WAIT, failure])
            with socket.socket() as sock:
                sock.setblocking(False)
                self.assertEqual(sock.connect_ex(("example.com", 80)), errno.EINPROGRESS)
                import select

                self.assertEqual(select.select([], [sock], [], 5)[1], [sock])
                self.assertEqual(sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR), number)


if __name__ == "__main__":
    _ = support
    unittest.main()
