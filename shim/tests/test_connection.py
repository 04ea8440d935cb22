"""A connection's data: what is sent becomes requests, and what is read is their responses."""

from support import Answer, HostTest  # noqa: I001 - first: it installs the stand-ins

import io
import select
import socket
import unittest

from fake_host import WAIT, Failure
from test_sockets import GET, HELLO

from sandbox_net.connection import Connection
from sandbox_net.endpoint import TABLE


class DataTest(HostTest):
    def connected(self, timeout: float | None = None, **settings: object) -> socket.socket:
        """Connects to a site that answers `hello`."""
        settings.setdefault("handler", lambda _: Answer(fields=HELLO, body=[b"hello"]))
        self.site(**settings)
        sock = socket.create_connection(("example.com", 80), timeout)
        self.addCleanup(sock.close)
        return sock


class Sending(DataTest):
    def test_not_blocking_socket_sends_what_fits_and_then_refuses(self) -> None:
        sock = self.connected(window=10)
        sock.setblocking(False)
        body = b"x" * 1000
        head = b"POST / HTTP/1.1\r\nContent-Length: 2000\r\n\r\n"
        self.assertEqual(sock.send(head + body), len(head + body))
        with self.assertRaises(BlockingIOError):
            sock.send(body)
        self.assertEqual(len(self.host.seen[0].body), 10)
        sock.settimeout(30)
        sock.sendall(body)
        self.assertEqual(sock.recv(15), b"HTTP/1.1 200 OK")
        self.assertEqual(self.host.seen[0].body, body * 2)

    def test_send_times_out_where_nothing_is_taken(self) -> None:
        sock = self.connected(window=0, timeout=0.01)
        sock.sendall(b"POST / HTTP/1.1\r\nContent-Length: 2000\r\n\r\nx")
        with self.assertRaises(TimeoutError) as caught:
            sock.sendall(b"x")
        self.assertEqual(caught.exception.args, ("timed out",))

    def test_denied_request_raises_in_send(self) -> None:
        sock = self.connected(request_failures=[Failure(1, 4, "TRACE is never sent", b"r")])
        with self.assertRaises(PermissionError) as caught:
            sock.sendall(b"TRACE / HTTP/1.1\r\n\r\n")
        self.assertEqual(caught.exception.deny_reason, "method")


class Receiving(DataTest):
    def test_peeked_bytes_are_read_again(self) -> None:
        sock = self.connected()
        sock.sendall(GET)
        self.assertEqual(sock.recv(8, socket.MSG_PEEK), b"HTTP/1.1")
        self.assertEqual(sock.recv(12), b"HTTP/1.1 200")

    def test_all_is_read_where_all_is_asked_for(self) -> None:
        sock = self.connected(handler=lambda _: Answer(fields=HELLO, body=[b"he", WAIT, b"llo"]))
        sock.sendall(GET)
        self.assertEqual(sock.recv(43, socket.MSG_WAITALL)[-5:], b"hello")

    def test_what_came_is_given_where_the_rest_of_all_does_not_come(self) -> None:
        for after, expected in (
            (Failure(5), ConnectionResetError),
            (Failure(9, 6), OSError),
            (WAIT, TimeoutError),
        ):
            later = [WAIT] * 1000 if after is WAIT else []
            body = [b"he", WAIT, after, *later]
            sock = self.connected(handler=lambda _, it=body: Answer(fields=HELLO, body=it))
            sock.settimeout(0.01)
            sock.sendall(GET)
            self.assertEqual(sock.recv(43, socket.MSG_WAITALL)[-4:], b"\r\nhe")
            with self.assertRaises(expected):
                sock.recv(43, socket.MSG_WAITALL)

    def test_a_peek_into_what_tls_settled_does_not_change_its_order(self) -> None:
        sock = self.connected()
        sock.sendall(GET)
        connection = TABLE.get(sock.fileno())
        assert isinstance(connection, Connection)
        connection._notes.append(b"notes")
        self.assertEqual(sock.recv(2, socket.MSG_PEEK), b"no")
        self.assertEqual(sock.recv(5), b"notes")
        self.assertEqual(sock.recv(5), b"HTTP/")

    def test_recv_into_writes_only_what_it_says(self) -> None:
        sock = self.connected()
        sock.sendall(GET)
        buffer = bytearray(b"." * 10)
        self.assertEqual(sock.recv_into(buffer, 4), 4)
        self.assertEqual(buffer, b"HTTP......")

    def test_recvmsg_reads_as_recv_does(self) -> None:
        sock = self.connected()
        sock.sendall(GET)
        self.assertEqual(sock.recvmsg(5, 100), (b"HTTP/", [], 0, None))
        buffers = [bytearray(b"..."), bytearray(b"....")]
        self.assertEqual(sock.recvmsg_into(buffers, 0, socket.MSG_PEEK), (7, [], 0, None))
        self.assertEqual(buffers, [b"1.1", b" 200"])
        self.assertEqual(sock.recv(7), b"1.1 200")

    def test_idle_connection_waits_its_timeout_or_ends(self) -> None:
        sock = self.connected(timeout=0.01)
        sock.sendall(GET)
        sock.recv(43, socket.MSG_WAITALL)
        with self.assertRaises(TimeoutError):
            sock.recv(1)
        sock.setblocking(False)
        with self.assertRaises(BlockingIOError):
            sock.recv(1)
        sock.settimeout(None)
        self.assertEqual(sock.recv(1), b"")


class Both(DataTest):
    def test_a_request_byte_by_byte_and_a_response_byte_by_byte(self) -> None:
        sock = self.connected()
        for byte in GET:
            self.assertEqual(sock.send(bytes((byte,))), 1)
        data = b"".join(sock.recv(1) for _ in range(43))
        self.assertEqual(data, b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"[:43])
        self.assertEqual(len(self.host.seen), 1)

    def test_after_the_programs_connection_close_the_stream_ends(self) -> None:
        sock = self.connected()
        sock.sendall(b"GET / HTTP/1.1\r\nConnection: close\r\n\r\n")
        data = b"".join(iter(lambda: sock.recv(100), b""))
        self.assertTrue(data.endswith(b"\r\n\r\nhello"))
        with self.assertRaises(BrokenPipeError):
            sock.sendall(GET)

    def test_shutdown_ends_a_direction(self) -> None:
        sock = self.connected()
        sock.sendall(GET)
        sock.shutdown(socket.SHUT_WR)
        with self.assertRaises(BrokenPipeError):
            sock.send(b"x")
        self.assertEqual(sock.recv(4), b"HTTP")
        sock.shutdown(socket.SHUT_RD)
        self.assertEqual(sock.recv(4), b"")

    def test_a_socket_that_is_shut_down_both_ways_leaves_the_host_at_once(self) -> None:
        for hows in ([socket.SHUT_RDWR], [socket.SHUT_WR, socket.SHUT_RD]):
            with self.subTest(hows=hows):
                sock = self.connected()
                peer = sock.getpeername()
                sock.sendall(GET)
                self.assertEqual(self.host.open_handles, 2)
                for how in hows:
                    sock.shutdown(how)
                self.assertEqual(self.host.open_handles, 0)
                self.assertEqual(sock.recv(4), b"")
                with self.assertRaises(BrokenPipeError):
                    sock.send(GET)
                self.assertEqual(sock.getpeername(), peer)
                self.assertEqual(select.select([sock], [sock], [], 0), ([sock], [sock], []))
                sock.close()

    def test_makefile_is_a_real_io_object(self) -> None:
        sock = self.connected()
        with sock.makefile("rwb") as file:
            self.assertIsInstance(file, io.BufferedRWPair)
            file.write(GET)
            file.flush()
            self.assertEqual(file.readline(), b"HTTP/1.1 200 OK\r\n")


if __name__ == "__main__":
    unittest.main()
