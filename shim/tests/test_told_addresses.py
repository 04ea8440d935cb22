"""Addresses that the host discloses, and the names that connections to them mean."""

from support import Answer, HostTest  # noqa: I001 - first: it installs the stand-ins

import asyncio
import http.client
import ipaddress
import socket
import ssl
import unittest
from collections.abc import Callable
from typing import Any

from fake_host import WAIT, Failure, Tls
from sandbox_net.answers import ANSWERS, Answers
from sandbox_net.shared_address import host_field
from test_sockets import GET

V4, OTHER_V4 = "93.184.216.34", "93.184.216.35"
V6 = "2606:2800:220:1::1"
HI = [("Content-Length", "2")]
MAPPED = f"::ffff:{V4}"


class ToldTest(HostTest):
    def setUp(self) -> None:
        super().setUp()
        ANSWERS._known.clear()
        self.host.addresses = {
            "a.test": [V4, V6, OTHER_V4],
            "b.test": [V4],
            "six.test": [V6],
            "localhost": ["127.0.0.1", "::1"],
        }

    def connected(self) -> list[tuple[str, int]]:
        """Returns the hosts and ports that were connected to, and those that were given up."""
        return [(one.host, one.port) for one in self.host.connections]


class Lookups(ToldTest):
    def test_a_name_has_the_addresses_that_the_host_tells(self) -> None:
        self.assertEqual(socket.gethostbyname("A.test"), V4)
        self.assertEqual(socket.gethostbyname_ex("a.test"), ("a.test", [], [V4, OTHER_V4]))
        self.assertTrue(ipaddress.ip_address(socket.gethostbyname("a.test")).is_global)
        expected: list[tuple[int, list[Any]]] = [
            (0, [(V4, 80), (V6, 80, 0, 0), (OTHER_V4, 80)]),
            (socket.AF_INET, [(V4, 80), (OTHER_V4, 80)]),
            (socket.AF_INET6, [(V6, 80, 0, 0)]),
        ]
        for family, addresses in expected:
            infos = socket.getaddrinfo("a.test", 80, family, socket.SOCK_STREAM)
            self.assertEqual([info[4] for info in infos], addresses)
            awaited = asyncio.run(_ask("a.test", 80, family))
            self.assertEqual(repr(awaited), repr(infos))
        infos = socket.getaddrinfo("a.test", 80, flags=socket.AI_CANONNAME | socket.AI_ADDRCONFIG)
        self.assertEqual([info[3] for info in infos], ["a.test"] + [""] * (len(infos) - 1))
        self.assertEqual(len(infos), 9)

    def test_a_family_of_which_there_is_no_address_is_an_error(self) -> None:
        calls: list[Callable[[], object]] = [
            lambda: socket.getaddrinfo("b.test", 80, socket.AF_INET6),
            lambda: socket.getaddrinfo("six.test", 80, socket.AF_INET),
            lambda: socket.gethostbyname("six.test"),
            lambda: socket.socket().connect(("six.test", 80)),
            lambda: asyncio.run(_ask("six.test", 80, socket.AF_INET)),
        ]
        for call in calls:
            with self.assertRaisesRegex(socket.gaierror, "No address associated"):
                call()
        self.assertEqual(self.host.connections, [])

    def test_ipv4_is_mapped_into_ipv6_where_that_is_asked_for(self) -> None:
        mapped, everything = socket.AI_V4MAPPED, socket.AI_V4MAPPED | socket.AI_ALL
        for name, flags, expected in (
            ("b.test", mapped, [MAPPED]),
            ("six.test", mapped, [V6]),
            ("a.test", mapped, [V6]),
            ("a.test", everything, [V6, MAPPED, f"::ffff:{OTHER_V4}"]),
        ):
            infos = socket.getaddrinfo(name, 80, socket.AF_INET6, socket.SOCK_STREAM, flags=flags)
            self.assertEqual([info[4][0] for info in infos], expected)

    def test_localhost_is_its_ipv4_address_unless_the_other_one_is_asked_for(self) -> None:
        for family, expected in ((0, "127.0.0.1"), (socket.AF_INET6, "::1")):
            infos = socket.getaddrinfo("localhost", 80, family, socket.SOCK_STREAM)
            self.assertEqual([info[4][0] for info in infos], [expected])

    def test_the_name_of_an_address_is_what_the_program_asked_for(self) -> None:
        with self.assertRaises(socket.herror):
            socket.gethostbyaddr(V4)
        socket.gethostbyname("a.test")
        self.assertEqual(socket.gethostbyaddr(V4), ("a.test", [], [V4]))
        self.assertEqual(socket.getnameinfo((V4, 443), 0), ("a.test", "https"))
        socket.gethostbyname("b.test")
        self.assertEqual(socket.gethostbyaddr(V4), ("b.test", [], [V4]))
        self.assertEqual(socket.gethostbyname_ex(V4), (V4, [], [V4]))
        self.assertEqual(self.host.lookups, ["a.test", "b.test"])


async def _ask(host: str, port: int, family: int) -> list[Any]:
    loop = asyncio.get_running_loop()
    return await loop.getaddrinfo(host, port, family=family, type=socket.SOCK_STREAM)


class Connecting(ToldTest):
    def test_an_address_is_connected_to_by_its_name_and_stays_the_peers(self) -> None:
        self.site("a.test")
        for host in ("a.test", socket.gethostbyname("a.test"), V6, MAPPED):
            with socket.create_connection((host, 80)) as sock:
                shown = V4 if host == "a.test" else host
                self.assertEqual(sock.getpeername()[0], shown)
        self.assertEqual(self.connected(), [("a.test", 80)] * 4)

    def test_an_address_that_was_never_an_answer_is_itself(self) -> None:
        self.site("198.51.100.9")
        self.site("a.test")
        socket.gethostbyname("a.test")
        socket.create_connection(("198.51.100.9", 80)).close()
        with self.assertRaisesRegex(PermissionError, "93.184.216.99:80 is not allowed"):
            socket.create_connection(("93.184.216.99", 80))
        self.assertEqual(self.connected(), [("198.51.100.9", 80)])

    def test_each_answer_knows_its_own_question(self) -> None:
        self.site("a.test")
        self.site("b.test")
        first, second = (
            socket.getaddrinfo(name, 80, socket.AF_INET, socket.SOCK_STREAM)[0][4]
            for name in ("a.test", "b.test")
        )
        self.assertEqual(first, second)
        for address in (first, second, first):
            socket.create_connection(address[:2]).close()  # nobody looks up a literal
            with socket.socket() as sock:
                sock.connect(address)
        got = [host for host, _ in self.connected()]
        self.assertEqual(got, ["b.test", "a.test", "b.test", "b.test", "b.test", "a.test"])

    def test_names_side_by_side_are_not_taken_for_one_another(self) -> None:
        self.site("a.test")
        self.site("b.test")
        self.host.addresses["a.test"] = [V4]
        self.host.names["a.test"] = [WAIT]

        async def both() -> None:
            opened = [asyncio.open_connection(name, 80) for name in ("a.test", "b.test")]
            for _, writer in await asyncio.gather(*opened):
                writer.close()

        asyncio.run(both())
        self.assertEqual(sorted(self.connected()), [("a.test", 80), ("b.test", 80)])

    def test_what_is_denied_under_one_name_is_tried_under_the_others_and_itself(self) -> None:
        self.site("b.test", 8080)
        self.site(V4, 9000)
        for name in ("b.test", "a.test"):
            socket.gethostbyname(name)
        for port, expected in ((8080, "b.test"), (9000, V4)):
            socket.create_connection((V4, port)).close()
            self.assertEqual(self.connected()[-1], (expected, port))
        with self.assertRaisesRegex(PermissionError, "a.test:81 is not allowed"):
            socket.create_connection((V4, 81))
        self.assertEqual(self.host.open_handles, 0)

    def test_what_a_lookup_gave_is_denied_once_for_each_address(self) -> None:
        self.site(V4, 81)
        with self.assertRaisesRegex(PermissionError, "b.test:81 is not allowed"):
            socket.create_connection(("b.test", 81))
        with self.assertRaisesRegex(PermissionError, "b.test:81 is not allowed"):
            asyncio.run(asyncio.open_connection("b.test", 81))
        self.assertEqual(self.host.frames.count(1), 2)
        self.assertEqual(self.host.connections, [])

    def test_what_fails_otherwise_is_not_tried_again(self) -> None:
        self.site("a.test", denied=Failure(9, 1))
        self.site(V4)
        socket.gethostbyname("a.test")
        with self.assertRaisesRegex(OSError, "limit"):
            socket.create_connection((V4, 80))
        self.assertEqual(self.connected(), [])

    def test_a_loopback_address_is_itself_unless_the_policy_does_not_have_it(self) -> None:
        self.site("localhost", 8000)
        self.site("127.0.0.1", 8000)
        self.site("localhost", 9000)
        socket.getaddrinfo("localhost", 8000)
        typed = ".".join(["127", "0", "0", "1"])
        socket.create_connection((typed, 8000)).close()
        socket.create_connection((typed, 9000)).close()
        self.assertEqual(self.connected(), [("127.0.0.1", 8000), ("localhost", 9000)])

    def test_the_table_is_bounded(self) -> None:
        table = Answers(addresses=2, names=2)
        for name in ("a", "b", "c"):
            table.add(name, V4, 0)
        self.assertEqual(table.hosts("", V4, 80), ("c", "b", V4))
        table.add("a", OTHER_V4, 0)
        table.add("a", V6, 0)
        self.assertEqual(table.hosts("", V4, 80), (V4,))
        names = Answers()
        for number in range(100):
            names.add(f"n{number}", V4, number + 1)
        self.assertEqual(names.hosts("", V4, 80)[-1], V4)
        self.assertEqual(len(names.hosts("", V4, 80)), 5)


class SharedAddresses(ToldTest):
    """Two names at one address: the bytes sent say which is meant."""

    def setUp(self) -> None:
        super().setUp()
        for name in ("a.test", "b.test"):
            for port in (80, 443):
                self.site(
                    name, port, connect=[WAIT], handler=lambda _: Answer(fields=HI, body=[b"hi"])
                )
        self.site(V4, handler=lambda _: Answer(fields=HI, body=[b"hi"]))

    def ask(self) -> None:
        for name in ("a.test", "b.test"):
            socket.gethostbyname(name)

    def requested(self) -> list[str]:
        return [seen.connection.host for seen in self.host.seen]

    def test_the_host_field_decides_before_anything_was_sent(self) -> None:
        for field, expected in (
            ("a.test", "a.test"),
            ("A.TEST:80", "a.test"),
            ("b.test", "b.test"),
            (V4, V4),
            ("c.test", "b.test"),
            ("a.test:81", "b.test"),
            ("", "b.test"),
        ):
            with self.subTest(field):
                self.ask()
                self.host.seen.clear()
                connection = http.client.HTTPConnection(V4, timeout=5)
                connection.request("GET", "/", headers={"Host": field})
                self.assertEqual(connection.getresponse().read(), b"hi")
                connection.request("GET", "/", headers={"Host": field})
                connection.getresponse().read()
                connection.close()
                self.assertEqual(self.requested(), [expected] * 2)
                self.assertEqual(self.host.open_handles, 0)

    def test_a_connection_that_has_carried_a_request_stays_where_it_is(self) -> None:
        self.ask()
        connection = http.client.HTTPConnection(V4, timeout=5)
        for field in ("b.test", "a.test"):
            connection.request("GET", "/", headers={"Host": field})
            connection.getresponse().read()
        connection.close()
        self.assertEqual(self.requested(), ["b.test"] * 2)

    def test_a_name_that_was_not_asked_for_is_not_gone_over_to(self) -> None:
        socket.gethostbyname("b.test")
        connection = http.client.HTTPConnection(V4, timeout=5)
        connection.request("GET", "/", headers={"Host": "a.test"})
        connection.getresponse().read()
        connection.close()
        self.assertEqual(self.requested(), ["b.test"])
        self.assertEqual(self.connected(), [("b.test", 80)])

    def test_a_denial_of_the_name_that_is_meant_is_raised(self) -> None:
        del self.host.sites["a.test", 80], self.host.sites["a.test", 443]
        self.ask()
        with self.assertRaisesRegex(PermissionError, "a.test:80 is not allowed"):
            connection = http.client.HTTPConnection(V4, timeout=5)
            connection.request("GET", "/", headers={"Host": "a.test"})
        connection.close()
        with self.assertRaisesRegex(PermissionError, "a.test:443 is not allowed"):
            self.secure("a.test")
        with self.assertRaisesRegex(PermissionError, "a.test:443 is not allowed"):
            asyncio.run(self.fetch("a.test"))
        self.assertEqual(self.requested(), [])
        self.assertEqual(self.host.open_handles, 0)

    def secure(self, name: str) -> None:
        context = ssl.create_default_context()
        with (
            socket.create_connection((V4, 443), timeout=5) as plain,
            context.wrap_socket(plain, server_hostname=name) as secure,
        ):
            secure.sendall(GET)
            self.assertTrue(secure.recv(100))

    async def fetch(self, name: str, port: int = 443) -> None:
        tls = ssl.create_default_context() if port == 443 else None
        settings = {"ssl": tls, "server_hostname": name} if tls else {}
        reader, writer = await asyncio.open_connection(V4, port, **settings)  # type: ignore[arg-type]
        writer.write(GET.replace(b"example.com", name.encode()))
        self.assertTrue(await reader.read(100))
        writer.close()

    def test_the_server_name_of_tls_decides(self) -> None:
        for script in ([], [WAIT]):
            for site in self.host.sites.values():
                site.tls = Tls(script=list(script))
            for name in ("a.test", "b.test"):
                for call in (self.secure, lambda name: asyncio.run(self.fetch(name))):
                    with self.subTest(name):
                        self.ask()
                        self.host.seen.clear()
                        call(name)
                        self.assertEqual(self.requested(), [name])
                        self.assertEqual(self.host.open_handles, 0)

    def test_failures_behind_the_change_are_those_of_connecting(self) -> None:
        for failure, kind in ((Failure(3), ConnectionRefusedError), (Failure(4), OSError)):
            self.site("a.test", 443, connect=[WAIT, failure])
            self.site("a.test", 80, connect=[WAIT, failure])
            calls: list[Callable[[], object]] = [
                lambda: self.secure("a.test"),
                lambda: asyncio.run(self.fetch("a.test")),
                lambda: asyncio.run(self.fetch("a.test", 80)),
            ]
            for call in calls:
                self.ask()
                with self.assertRaises(kind):
                    call()
                self.assertEqual(self.host.open_handles, 0)

    def test_tls_settings_that_are_not_granted_are_told_behind_the_change(self) -> None:
        self.host.sites["a.test", 443].tls = Tls(not_granted=(1,))
        for call in (self.secure, lambda name: asyncio.run(self.fetch(name))):
            self.ask()
            with self.assertRaisesRegex(ssl.SSLError, "grant"):
                call("a.test")
            self.assertEqual(self.host.open_handles, 0)

    def test_an_address_as_the_server_name_means_the_name_where_the_program_checks_it(self) -> None:
        self.site(V4, 443)
        for checks, expected in ((False, "b.test"), (True, V4)):
            self.ask()
            context = ssl.create_default_context()
            context.check_hostname = checks
            plain = socket.create_connection((V4, 443), timeout=5)
            with plain, context.wrap_socket(plain, server_hostname=V4):
                connection = self.host.connections[-1]
            self.assertEqual(connection.host, expected)
            settings = connection.tls_settings
            self.assertEqual(settings and settings.server_name, V4 if checks else "")

    def test_asyncio_over_plain_http_goes_over_too(self) -> None:
        for name in ("a.test", "b.test"):
            self.ask()
            self.host.seen.clear()
            asyncio.run(self.fetch(name, 80))
            self.assertEqual(self.requested(), [name])


class HostFields(unittest.TestCase):
    def test_a_host_field_names_a_host_where_it_says_no_other_port(self) -> None:
        for value, expected in (
            (b"a.test", "a.test"),
            (b" a.test:80\t", "a.test"),
            (b"a.test:81", ""),
            (b"a.test:", ""),
            (b"[::1]", "::1"),
            (b"[::1]:80", "::1"),
            (b"[::1]x", ""),
            (b"[::1", ""),
            (b"", ""),
        ):
            self.assertEqual(host_field([(b"HOST", value)], 80), expected)
        self.assertEqual(host_field([(b"Host", b"a")] * 2, 80), "")
        self.assertEqual(host_field([], 80), "")


if __name__ == "__main__":
    unittest.main()
