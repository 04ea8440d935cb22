"""The class `socket.socket` on the stand-in `_socket`."""

import support  # noqa: I001 - first: it installs the stand-ins
from support import HAS_LOOPBACK, Answer, HostTest, stock_socket

import errno
import gc
import os
import socket
import struct
import unittest
import unittest.mock
import warnings
from collections.abc import Callable
from typing import Any

from fake_host import Site


GET = b"GET / HTTP/1.1\r\nHost: example.com\r\n\r\n"
HELLO = (("Content-Length", "5"),)


def outcome(call: Callable[[], object]) -> object:
    """Returns what a call returns or raises, in a comparable form."""
    try:
        return call()
    except Exception as error:
        kind = type(error)
        number = getattr(error, "errno", None)
        return kind.__name__, number, str(error)


def a_file() -> int:
    return os.open(os.devnull, os.O_RDONLY)


# Calls on a new socket, CPython's own and ours, that must end alike.
ALIKE: dict[str, Callable[[Any], object]] = {
    "connect to a string": lambda s: s.connect("x"),
    "connect to one element": lambda s: s.connect(("a",)),
    "connect to a port of text": lambda s: s.connect(("a", "b")),
    "connect to a host that is a number": lambda s: s.connect((1, 2)),
    "connect to a host with a null": lambda s: s.connect(("a\0b", 2)),
    "connect to no name": lambda s: s.connect(("a b", 2)),
    "connect to an empty label": lambda s: s.connect(("a..b", 2)),
    "connect to an address of the other family": lambda s: s.connect(("::1", 80)),
    "connect to a port too large": lambda s: s.connect(("127.0.0.1", 70000)),
    "connect_ex to a port too large": lambda s: s.connect_ex(("127.0.0.1", -1)),
    "getpeername": lambda s: s.getpeername(),
    "getsockname": lambda s: s.getsockname(),
    "recv": lambda s: s.recv(1),
    "recv of nothing": lambda s: s.recv(-1),
    "recv_into": lambda s: s.recv_into(bytearray(2)),
    "recv_into too much": lambda s: s.recv_into(bytearray(2), 3),
    "recv_into less than nothing": lambda s: s.recv_into(bytearray(2), -1),
    "recv_into bytes": lambda s: s.recv_into(b"xx"),
    "recvmsg": lambda s: s.recvmsg(1),
    "recvmsg of less than nothing": lambda s: s.recvmsg(-1),
    "recvmsg with ancillary data less than nothing": lambda s: s.recvmsg(1, -1),
    "recvmsg_into": lambda s: s.recvmsg_into([bytearray(2)]),
    "recvmsg_into no buffers": lambda s: s.recvmsg_into(2),
    "send": lambda s: s.send(b"x"),
    "send every second byte": lambda s: s.send(memoryview(b"abcd")[::2]),
    "send text": lambda s: s.send("x"),
    "sendall": lambda s: s.sendall(b"x"),
    "sendall text": lambda s: s.sendall("x"),
    "shutdown": lambda s: s.shutdown(socket.SHUT_RDWR),
    "a negative timeout": lambda s: s.settimeout(-1),
    "a timeout of text": lambda s: s.settimeout("x"),
    "a timeout that is no number": lambda s: s.settimeout(float("nan")),
    "setsockopt of None": lambda s: s.setsockopt(1, 2, None),
    "getsockopt of the type": lambda s: s.getsockopt(socket.SOL_SOCKET, socket.SO_TYPE),
    "getsockopt of the error": lambda s: s.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR),
    "getsockopt of bytes": lambda s: s.getsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 4),
    "getsockopt of too many bytes": lambda s: s.getsockopt(1, 2, 4096),
    "a closed socket's fileno": lambda s: (s.close(), s.fileno())[1],
    "a closed socket's recv": lambda s: (s.close(), s.recv(1)),
    "a closed socket's send": lambda s: (s.close(), s.send(b"")),
    "a closed socket's getsockname": lambda s: (s.close(), s.getsockname()),
    "a closed socket's repr": lambda s: (s.close(), repr(s))[1],
    "a closed socket's timeout": lambda s: (s.close(), s.settimeout(3), s.gettimeout())[2],
    "blocking by default": lambda s: (s.getblocking(), s.gettimeout(), s.timeout),
    "not blocking": lambda s: (s.setblocking(False), s.getblocking(), s.gettimeout())[1:],
    "makefile in another mode": lambda s: s.makefile("x"),
}
CONSTRUCTORS: dict[str, Callable[[Any], object]] = {
    "no such family": lambda m: m.socket(99).family,
    "no such type": lambda m: m.socket(m.AF_INET, 99),
    "no such protocol": lambda m: m.socket(m.AF_INET, m.SOCK_STREAM, 99),
    "a negative descriptor": lambda m: m.socket(fileno=-1),
    "a descriptor that is not open": lambda m: m.socket(fileno=99_999),
    "the descriptor of a file": lambda m: m.socket(m.AF_INET, m.SOCK_STREAM, fileno=a_file()),
    "a descriptor of text": lambda m: m.socket(fileno="x"),
    "dup of what is not open": lambda m: m.dup(99_999),
    "close of what is not open": lambda m: m.close(99_999),
    "socketpair of no family": lambda m: m.socketpair(99),
}


class LikeCPython(HostTest):
    @unittest.skipUnless(HAS_LOOPBACK, "compares with real sockets")
    def test_errors_are_those_of_a_real_socket(self) -> None:
        for name, call in ALIKE.items():
            with self.subTest(name), socket.socket() as ours, stock_socket.socket() as theirs:
                expected = outcome(lambda c=call, s=theirs: c(s))
                self.assertEqual(outcome(lambda c=call, s=ours: c(s)), expected)

    @unittest.skipUnless(HAS_LOOPBACK, "compares with real sockets")
    def test_constructors_fail_as_the_real_ones(self) -> None:
        for name, call in CONSTRUCTORS.items():
            with self.subTest(name):
                expected = outcome(lambda c=call: c(stock_socket))
                got = outcome(lambda c=call: c(socket))
                if isinstance(got, tuple) and "sandbox-net" in str(got):
                    got, expected = got[:2], expected[:2]  # type: ignore[index]
                self.assertEqual(got, expected)

    def test_public_names_of_the_stock_module_are_there(self) -> None:
        import _socket

        from sandbox_net.stock import SOCKET

        absent = {name for name in vars(SOCKET) if not hasattr(_socket, name)}
        linux_only = ("AF_", "PF_", "CAN_", "BT", "HCI_", "NETLINK_", "TIPC_", "ALG_", "VM")
        absent = {name for name in absent if not name.startswith((*linux_only, "__", "VSOCK"))}
        self.assertLessEqual(
            absent,
            {"CAPI", "CMSG_LEN", "CMSG_SPACE", "sethostname"}
            | {"if_indextoname", "if_nameindex", "if_nametoindex"},
        )

    def test_constants_of_a_family_do_not_fall_together(self) -> None:
        from sandbox_net import constants

        for prefix in ("AF_", "SOCK_", "SO_"):
            numbers = [v for k, v in constants.SOCKET.items() if k.startswith(prefix)]
            if prefix != "SO_" or not HAS_LOOPBACK:  # Linux has two names for some options
                self.assertEqual(len(numbers), len(set(numbers)), prefix)


class Unsupported(HostTest):
    def test_servers_are_refused_with_the_reason(self) -> None:
        with socket.socket() as sock:
            calls = (
                lambda: sock.bind(("", 80)),
                lambda: sock.bind(("127.0.0.1", 8000)),
                lambda: sock.bind(("192.0.2.1", 0)),
                sock.listen,
                sock.accept,
            )
            for call in calls:
                with self.assertRaises(OSError) as caught:
                    call()
                self.assertEqual(caught.exception.errno, errno.EOPNOTSUPP)
                self.assertIn("sandbox-net: servers are not carried", str(caught.exception))

    def test_other_kinds_of_sockets_are_refused_with_the_reason(self) -> None:
        with self.assertRaises(OSError) as caught:
            socket.socket(socket.AF_UNIX)
        self.assertEqual(caught.exception.errno, errno.EAFNOSUPPORT)
        self.assertIn("sandbox-net", str(caught.exception))
        for kind in (socket.SOCK_DGRAM, socket.SOCK_RAW):
            with self.assertRaises(OSError) as caught:
                socket.socket(socket.AF_INET, kind)
            self.assertEqual(caught.exception.errno, errno.EPROTONOSUPPORT)
            self.assertIn("sandbox-net: only TCP is carried", str(caught.exception))

    def test_reading_before_a_request_says_that_only_http_is_carried(self) -> None:
        self.site(port=25)
        for timeout in (None, 5):
            with socket.create_connection(("example.com", 25), timeout) as sock:
                with self.assertRaises(OSError) as caught:
                    sock.recv(100)
                self.assertIn("only HTTP is carried", str(caught.exception))

    def test_pipelining_is_refused_with_the_reason(self) -> None:
        self.site(handler=lambda _: Answer(fields=HELLO, body=[b"hello"]))
        for pieces in ([GET + GET], [GET, GET]):
            with socket.create_connection(("example.com", 80)) as sock:
                with self.assertRaises(OSError) as caught:
                    for piece in pieces:
                        sock.sendall(piece)
                self.assertIn("pipelining", str(caught.exception))

    def test_bytes_that_are_no_http_are_refused_and_the_connection_is_over(self) -> None:
        self.site()
        cases = (
            (b"\x05\x01\x00", "only HTTP"),
            (b"\x16\x03\x01\x02\x00", "TLS is spoken by the host"),
        )
        for data, text in cases:
            with socket.create_connection(("example.com", 80)) as sock:
                with self.assertRaises(OSError) as caught:
                    sock.sendall(data)
                self.assertIn(text, str(caught.exception))
                with self.assertRaisesRegex(OSError, text):
                    sock.sendall(GET)
                with self.assertRaisesRegex(OSError, text):
                    sock.recv(1)


class Options(HostTest):
    def test_options_are_remembered(self) -> None:
        self.site()
        with socket.create_connection(("example.com", 80)) as sock:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.assertEqual(sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY), 1)
            linger = struct.pack("ii", 1, 5)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            self.assertEqual(sock.getsockopt(socket.SOL_SOCKET, socket.SO_LINGER, 8), linger)


class Descriptors(HostTest):
    def test_a_connection_lives_as_long_as_one_of_its_descriptors(self) -> None:
        self.site(handler=lambda _: Answer(fields=HELLO, body=[b"hello"]))
        one = socket.create_connection(("example.com", 80))
        two = one.dup()
        self.assertNotEqual(one.fileno(), two.fileno())
        one.close()
        two.sendall(GET)
        self.assertEqual(two.recv(4), b"HTTP")
        adopted = socket.socket(fileno=two.detach())
        self.assertEqual((two.fileno(), adopted.recv(4)), (-1, b"/1.1"))
        self.assertEqual((adopted.family, adopted.type), (socket.AF_INET, socket.SOCK_STREAM))
        adopted.close()
        self.assertEqual(self.host.open_handles, 0)

    def test_an_adopter_finds_its_descriptor_closed(self) -> None:
        one = socket.socket()
        two = socket.socket(fileno=one.fileno())
        one.close()
        with self.assertRaises(OSError) as caught:
            two.getsockname()
        self.assertEqual(caught.exception.errno, errno.EBADF)
        two.detach()

    def test_a_forgotten_socket_warns_and_is_closed(self) -> None:
        self.site()
        with self.assertWarnsRegex(ResourceWarning, "unclosed <socket.socket fd="):
            socket.create_connection(("example.com", 80))
            gc.collect()
        self.assertEqual(self.host.open_handles, 0)

    def test_a_socket_that_is_collected_in_the_middle_of_a_call_is_closed_after_it(self) -> None:
        self.site(handler=lambda _: Answer(fields=HELLO, body=[b"hello"]))
        garbage = [socket.create_connection(("example.com", 80)) for _ in range(9)]
        read_into = self.host.read_into

        def collect_and_read(view: memoryview) -> int:
            if garbage:
                garbage.pop()
            return read_into(view)

        with (
            warnings.catch_warnings(action="ignore"),
            unittest.mock.patch.object(self.host, "read_into", collect_and_read),
            socket.create_connection(("example.com", 80)) as sock,
        ):
            sock.sendall(GET)
            self.assertEqual(sock.recv(43, socket.MSG_WAITALL)[-5:], b"hello")
            self.assertEqual((len(garbage), self.host.open_handles), (0, 1))
        self.assertEqual(self.host.open_handles, 0)

    def test_socketpair_carries_both_ways(self) -> None:
        one, two = socket.socketpair()
        with one, two:
            one.sendall(b"abc")
            two.sendall(b"de")
            self.assertEqual((two.recv(2), two.recv(9), one.recv(9)), (b"ab", b"c", b"de"))
            two.setblocking(False)
            with self.assertRaises(BlockingIOError):
                two.recv(1)
            two.settimeout(None)
            with self.assertRaises(OSError) as caught:
                two.recv(1)
            self.assertEqual(caught.exception.errno, errno.EDEADLK)
            one.close()
            self.assertEqual(two.recv(1), b"")
            with self.assertRaises(BrokenPipeError):
                two.send(b"x")

    def test_sockets_with_descriptors_are_a_real_limit_only_at_the_host(self) -> None:
        sites = [Site() for _ in range(200)]
        for number, site in enumerate(sites):
            self.host.sites[f"h{number}.example", 80] = site
        socks = [socket.create_connection((f"h{n}.example", 80)) for n in range(200)]
        self.assertEqual(len({sock.fileno() for sock in socks}), 200)
        self.assertEqual(len({sock.getpeername() for sock in socks}), 200)
        for sock in socks:
            sock.close()
        self.assertEqual(self.host.open_handles, 0)


if __name__ == "__main__":
    _ = support
    unittest.main()
