"""`getaddrinfo` and related functions."""

import support  # noqa: I001 - first: it installs the stand-ins

from support import HAS_LOOPBACK, HostTest, stock_socket

import asyncio
import ipaddress
import socket
import unittest
from collections.abc import Callable
from typing import Any

from fake_host import WAIT, Failure
from sandbox_net.addresses import NameTable
from test_sockets import outcome

# Calls whose result needs no name server: they must end as CPython's own do.
ALIKE: dict[str, Callable[[Any], object]] = {
    "a literal": lambda m: m.getaddrinfo("1.2.3.4", 80),
    "a literal for TCP": lambda m: m.getaddrinfo("1.2.3.4", "http", type=m.SOCK_STREAM),
    "a literal by protocol": lambda m: m.getaddrinfo("1.2.3.4", 80, proto=m.IPPROTO_TCP),
    "a literal in bytes": lambda m: m.getaddrinfo(b"1.2.3.4", b"80", type=m.SOCK_STREAM),
    "fewer than four numbers": lambda m: m.getaddrinfo("1.2.3", 80, type=m.SOCK_STREAM),
    "a hexadecimal address": lambda m: m.getaddrinfo("0x7f000001", 80, type=m.SOCK_STREAM),
    "an IPv6 literal": lambda m: m.getaddrinfo("2001:DB8::1", 80, type=m.SOCK_STREAM),
    "an IPv6 literal with a zone": lambda m: m.getaddrinfo("fe80::1%1", 80, type=m.SOCK_STREAM),
    "its canonical name": lambda m: m.getaddrinfo("::1", 80, 0, m.SOCK_STREAM, 0, m.AI_CANONNAME),
    "IPv6 of IPv4": lambda m: m.getaddrinfo("1.2.3.4", 80, m.AF_INET6),
    "IPv4 of IPv6": lambda m: m.getaddrinfo("::1", 80, m.AF_INET),
    "no such family": lambda m: m.getaddrinfo("1.2.3.4", 80, 99),
    "no such type": lambda m: m.getaddrinfo("1.2.3.4", 80, type=99),
    "no such service": lambda m: m.getaddrinfo("1.2.3.4", "nosuch"),
    "a name as a number": lambda m: m.getaddrinfo("exa", 80, 0, 0, 0, m.AI_NUMERICHOST),
    "a negative port": lambda m: m.getaddrinfo("1.2.3.4", -5),
    "a port too large": lambda m: m.getaddrinfo("1.2.3.4", 70000, type=m.SOCK_STREAM),
    "neither host nor port": lambda m: m.getaddrinfo(None, None),
    "a host that is a number": lambda m: m.getaddrinfo(5, 80),
    "a port that is a fraction": lambda m: m.getaddrinfo("1.2.3.4", 5.5),
    "an empty host": lambda m: m.getaddrinfo("", 80),
    "a null": lambda m: m.getaddrinfo("a\0b", 80),
    "brackets": lambda m: m.getaddrinfo("[::1]", 80),
    "a space": lambda m: m.getaddrinfo("a b", 80),
    "a label too long": lambda m: m.getaddrinfo("a" * 64 + ".com", 80)[0],
    "a name too long": lambda m: m.getaddrinfo(".".join(["a" * 60] * 5), 80),
    "an empty label": lambda m: m.getaddrinfo("a..b", 80)[0],
    "the passive address": lambda m: m.getaddrinfo(None, 80, m.AF_INET, 0, 0, m.AI_PASSIVE),
    "gethostbyname of a literal": lambda m: m.gethostbyname("1.2.3.4"),
    "gethostbyname of nothing": lambda m: m.gethostbyname(""),
    "gethostbyname of all": lambda m: m.gethostbyname("<broadcast>"),
    "gethostbyname of IPv6": lambda m: m.gethostbyname("::1"),
    "getaddrinfo of a port that is no text": lambda m: m.getaddrinfo("x", "\ud800"),
    "getnameinfo in numbers": lambda m: m.getnameinfo(("127.0.0.1", 80), 3),
    "getnameinfo of IPv6": lambda m: m.getnameinfo(("::1", 80, 0, 0), 3),
    "getnameinfo of a large flow": lambda m: m.getnameinfo(("::1", 80, 1 << 20, 0), 3),
    "getnameinfo of a name": lambda m: m.getnameinfo(("x", 80), 0),
    "getnameinfo with too much": lambda m: m.getnameinfo(("127.0.0.1", 80, 0, 0), 3),
    "getnameinfo of text": lambda m: m.getnameinfo("x", 0),
    "getservbyname": lambda m: (m.getservbyname("https"), m.getservbyname("http", "tcp")),
    "getservbyname of nothing": lambda m: m.getservbyname("nosuch"),
    "getservbyname of another protocol": lambda m: m.getservbyname("http", "x"),
    "getservbyport": lambda m: (m.getservbyport(443), m.getservbyport(80, "tcp")),
    "getservbyport of nothing": lambda m: m.getservbyport(81),
    "getservbyport out of range": lambda m: m.getservbyport(99999),
    "getprotobyname": lambda m: (m.getprotobyname("tcp"), m.getprotobyname("udp")),
    "getprotobyname of nothing": lambda m: m.getprotobyname("x"),
    "byte order": lambda m: (m.htons(1), m.ntohl(1)),
    "packed addresses": lambda m: (m.inet_aton("1.2.3.4"), m.inet_ntoa(b"\1\2\3\4")),
    "packing no address": lambda m: m.inet_pton(m.AF_INET6, "x"),
    "packing a zone": lambda m: m.inet_pton(m.AF_INET6, "fe80::1%1"),
    "packing another family": lambda m: m.inet_pton(99, "x"),
    "unpacking too little": lambda m: m.inet_ntop(m.AF_INET6, b"x"),
    "unpacking text": lambda m: m.inet_ntop(m.AF_INET6, "x"),
}
ALIKE |= {
    f"IPv6 text {text}": lambda m, t=text: m.inet_ntop(m.AF_INET6, m.inet_pton(m.AF_INET6, t))
    for text in (
        *("::", "::1", "1::", "2001:DB8::1", "::ffff:1.2.3.4", "::1.2.3.4", "::1:0", "::12:0:0"),
        *("1:0:0:2:0:0:0:3", "1:2:3:4:5:6:7:8", "64:ff9b::192.0.2.33", "1:0:2:0:3:0:4:0"),
    )
}


class LikeCPython(HostTest):
    @unittest.skipUnless(HAS_LOOPBACK, "compares with the real functions")
    def test_results_are_those_of_the_real_functions(self) -> None:
        for name, call in ALIKE.items():
            with self.subTest(name):
                expected = outcome(lambda c=call: c(stock_socket))
                self.assertEqual(outcome(lambda c=call: c(socket)), expected)


class Names(HostTest):
    def test_a_name_gets_an_address_and_keeps_it(self) -> None:
        (info,) = socket.getaddrinfo("Example.com", 443, type=socket.SOCK_STREAM)
        family, kind, proto, canonical, (address, port) = info
        self.assertEqual(
            (family, kind, proto, canonical, port),
            (socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", 443),
        )
        self.assertIn(ipaddress.ip_address(address), ipaddress.ip_network("240.0.0.0/8"))
        self.assertEqual(socket.gethostbyname("example.COM"), address)
        self.assertNotEqual(socket.gethostbyname("other.example"), address)
        self.assertEqual(socket.gethostbyaddr(address), ("example.com", [], [address]))
        self.assertEqual(socket.getnameinfo((address, 443), 0), ("example.com", "https"))

    def test_a_name_has_one_address_of_each_family(self) -> None:
        for family, network in (
            (socket.AF_INET, "240.0.0.0/8"),
            (socket.AF_INET6, "fd53:4e45:5400::/96"),
        ):
            infos = socket.getaddrinfo("v6.example", 80, family, socket.SOCK_STREAM)
            self.assertEqual([info[0] for info in infos], [family])
            address = ipaddress.ip_address(infos[0][4][0])
            self.assertIn(address, ipaddress.ip_network(network))

    def test_connecting_to_such_an_address_is_connecting_to_the_name(self) -> None:
        self.site("v6.example")
        for family in (socket.AF_INET, socket.AF_INET6):
            *_, address = socket.getaddrinfo("v6.example", 80, family, socket.SOCK_STREAM)[0]
            with socket.socket(family) as sock:
                sock.connect(address)
                self.assertEqual(sock.getpeername(), address)
        self.assertEqual([c.host for c in self.host.connections], ["v6.example"] * 2)

    def test_localhost_is_a_name_like_any_other(self) -> None:
        self.site("localhost", 8000)
        with socket.create_connection(("localhost", 8000)):
            self.assertEqual(self.host.connections[0].host, "localhost")

    def test_international_names_are_sent_in_ascii(self) -> None:
        self.site("xn--bcher-kva.example")
        for host in ("b\u00fccher.example", "xn--bcher-kva.example"):
            socket.create_connection((host, 80)).close()
        self.assertEqual(len(self.host.connections), 2)

    def test_a_name_is_looked_up_where_cpython_does(self) -> None:
        calls: list[Callable[[str], object]] = [
            lambda name: socket.getaddrinfo(name, 80),
            socket.gethostbyname,
            socket.gethostbyname_ex,
            lambda name: socket.create_connection((name, 80)),
            lambda name: socket.socket().connect((name, 80)),
            lambda name: asyncio.run(asyncio.open_connection(name, 80)),
            lambda name: asyncio.run(asyncio.open_connection(name, 443, ssl=True)),
        ]
        failures = (
            (Failure(2, 0), socket.EAI_NONAME),
            (Failure(2, 1), socket.EAI_AGAIN),
            (Failure(2, 2), socket.EAI_FAIL),
            (Failure(6, 0), socket.EAI_AGAIN),
        )
        for failure, number in failures:
            for script in ([failure], [WAIT, failure]):
                for call in calls:
                    self.host.names["gone.example"] = list(script)
                    with self.assertRaises(socket.gaierror) as caught:
                        call("gone.example")
                    self.assertEqual(caught.exception.errno, number)
        self.assertEqual(self.host.connections, [])
        self.assertEqual(self.host.open_handles, 0)

    def test_a_name_that_is_there_is_waited_for(self) -> None:
        self.host.names["slow.example"] = [WAIT]
        (info, *_) = socket.getaddrinfo("slow.example", 80, type=socket.SOCK_STREAM)
        self.assertEqual(info[4][0], socket.gethostbyname("slow.example"))
        self.assertEqual(self.host.lookups, ["slow.example"] * 2)
        self.assertEqual(self.host.open_handles, 0)

    def test_a_name_that_is_denied_is_denied_where_it_is_connected_to(self) -> None:
        self.host.names["denied.example"] = [Failure(1, 0, "no rule", b"default-deny")]
        address = socket.gethostbyname("denied.example")
        with self.assertRaisesRegex(PermissionError, "denied.example:80 is not allowed"):
            socket.create_connection((address, 80))

    def test_addresses_are_not_looked_up(self) -> None:
        for host in ("192.0.2.1", "::1", "0x7f.1", None, socket.gethostbyname("a.example")):
            socket.getaddrinfo(host, 80)
        self.assertEqual(self.host.lookups, ["a.example"])

    def test_loopback_has_a_name(self) -> None:
        for address in ("127.0.0.1", "::1"):
            self.assertEqual(socket.gethostbyaddr(address), ("localhost", [], [address]))
        self.assertEqual(socket.getnameinfo(("127.0.0.1", 80), 0), ("localhost", "http"))
        self.assertEqual(socket.getfqdn("127.0.0.1"), "localhost")

    def test_an_address_that_stands_for_nothing_is_itself(self) -> None:
        with self.assertRaises(socket.herror):
            socket.gethostbyaddr("192.0.2.1")
        self.assertEqual(socket.getnameinfo(("192.0.2.1", 81), 0), ("192.0.2.1", "81"))
        with self.assertRaises(socket.gaierror):
            socket.getnameinfo(("192.0.2.1", 81), socket.NI_NAMEREQD)

    def test_hostname(self) -> None:
        self.assertEqual(socket.gethostname(), "sandbox")
        self.assertEqual(socket.getfqdn(), "sandbox")
        self.assertEqual(socket.gethostbyname("sandbox"), "127.0.0.1")
        self.assertEqual(socket.gethostbyname_ex("sandbox"), ("sandbox", [], ["127.0.0.1"]))
        infos = socket.getaddrinfo("sandbox", 80, type=socket.SOCK_STREAM)
        self.assertEqual([info[4][0] for info in infos], ["127.0.0.1", "::1"])
        self.assertEqual(self.host.lookups, [])

    def test_the_table_is_bounded_and_does_not_reuse_addresses_soon(self) -> None:
        table = NameTable(size=3)
        first = table.number("a")
        numbers = [table.number(name) for name in ("b", "a", "c", "d")]
        self.assertEqual(numbers[1], first)  # used again, so `b` went
        self.assertIsNone(table.name(numbers[0]))
        self.assertEqual(table.name(first), "a")
        self.assertNotEqual(table.number("b"), numbers[0])


if __name__ == "__main__":
    _ = support
    unittest.main()
