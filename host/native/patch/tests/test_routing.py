"""What a program meets whose connections are routed."""

import json
import os
import shutil
import socket
import threading
import time
import unittest

from fake_broker import FakeBroker, Host, made_authority
from support import show

DENIED = {
    "code": "denied",
    "reason": "no-rule",
    "rule": "default-deny",
    "message": "no rule allows denied.test:80 (default-deny): add it",
}
EXPIRED = {"code": "tls", "certificate": "expired", "message": "it ended yesterday"}
LIMIT = {
    "code": "limit",
    "limit": "requests",
    "value": 3,
    "can_be_raised": True,
    "message": "no more requests",
}


def hosts():
    """The names that the scripted broker knows."""
    return {
        "good.test": Host(),
        "six.test": Host(["2001:db8::7", "203.0.113.7"]),
        "local.test": Host(["127.0.0.1"]),
        "secret.test": Host([]),
        "denied.test": Host([], error=DENIED, lookup_error=DENIED),
        "refused.test": Host(error={"code": "refused", "message": "refused"}),
        "slow.test": Host(then="silent"),
        "expired.test": Host(then=EXPIRED),
        "spent.test": Host(then=LIMIT),
        "reset.test": Host(then="reset"),
        "greet.test": Host(then="greet"),
        "203.0.113.7": Host(),
        "198.51.100.1": Host([], error=DENIED),
    }


class Case(unittest.TestCase):
    """A test with a scripted broker on TCP."""

    path = None

    @classmethod
    def setUpClass(cls):
        cls.authority = made_authority()
        if cls.path:
            cls.path = os.path.join(cls.authority.directory, "broker.sock")

    @classmethod
    def tearDownClass(cls):
        shutil.rmtree(cls.authority.directory)

    def setUp(self):
        if self.path and os.path.exists(self.path):
            os.unlink(self.path)
        self.broker = FakeBroker(hosts(), self.path)
        self.broker.authority = self.authority
        self.addCleanup(self.broker.close)

    def show(self, program, expression, **more):
        return show(program, expression, self.broker, **more)


class Connecting(Case):
    """Plain sockets, and urllib."""

    def test_a_program_reads_an_allowed_url(self):
        told = self.show(
            "import urllib.request",
            "json.loads(urllib.request.urlopen('http://good.test/a?b=1').read().decode())",
        )
        self.assertEqual(told["value"]["target"], "/a?b=1")
        self.assertEqual(told["value"]["fields"]["host"], "good.test")
        connects = [call for call in self.broker.calls if call[0] == "CONNECT"]
        self.assertEqual([call[1] for call in connects], ["good.test:80"])
        self.assertEqual(connects[0][2]["x-sandbox-net-client"], "patch")

    def test_a_program_reads_an_allowed_url_over_tls(self):
        told = self.show(
            "import urllib.request",
            "json.loads(urllib.request.urlopen('https://good.test/', timeout=20).read().decode())",
        )
        self.assertEqual(told["value"]["method"], "GET")

    def test_a_denied_host_is_a_permission_error_with_the_policys_text(self):
        told = self.show("import socket", "socket.create_connection(('denied.test', 80))")
        self.assertEqual(told["kind"], "PermissionError")
        self.assertEqual(told["args"], ["13", DENIED["message"]])
        self.assertEqual(told["more"]["deny_reason"], "no-rule")
        self.assertEqual(told["more"]["deny_rule"], "default-deny")

    def test_a_denied_address_is_a_permission_error(self):
        told = self.show("import socket", "socket.create_connection(('198.51.100.1', 80))")
        self.assertEqual(told["kind"], "PermissionError")

    def test_an_unknown_name_is_a_gaierror(self):
        told = self.show("import socket", "socket.create_connection(('none.test', 80))")
        self.assertEqual(told["kind"], "gaierror")
        self.assertEqual(told["args"], ["-2", "Name or service not known"])

    def test_a_refused_connection_is_refused(self):
        told = self.show("import socket", "socket.create_connection(('refused.test', 80))")
        self.assertEqual(told["kind"], "ConnectionRefusedError")
        self.assertEqual(told["args"], ["111", "Connection refused"])

    def test_a_socket_can_connect_again_after_a_failure(self):
        program = """
import socket
s = socket.socket()
s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
def both():
    code = s.connect_ex(('denied.test', 80))
    s.connect(('good.test', 80))
    delay = s.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
    return [code, s.getpeername(), s.gettimeout(), delay != 0]
"""
        told = self.show(program, "both()")
        self.assertEqual(told.get("value"), [13, ["203.0.113.7", 80], None, True])

    def test_a_connected_socket_cannot_connect_again_and_stays_connected(self):
        program = """
import socket
s = socket.create_connection(("good.test", 80))
def go():
    code = s.connect_ex(("203.0.113.7", 80))
    s.sendall(b"GET / HTTP/1.1\\r\\nHost: good.test\\r\\n\\r\\n")
    return [code, s.recv(8).decode()]
"""
        self.assertEqual(self.show(program, "go()").get("value"), [106, "HTTP/1.1"])

    def test_the_peer_is_the_one_that_the_broker_dialled(self):
        self.broker.hosts["good.test"].peer = "203.0.113.99:80"
        told = self.show(
            "import socket", "socket.create_connection(('good.test', 80)).getpeername()"
        )
        self.assertEqual(told["value"], ["203.0.113.99", 80])

    def test_a_socket_of_ipv6_is_routed(self):
        program = """
import socket
s = socket.socket(socket.AF_INET6)
def go():
    s.connect(("six.test", 80))
    return [s.getpeername(), s.family.name]
"""
        told = self.show(program, "go()")
        self.assertEqual(told.get("value"), [["2001:db8::7", 80, 0, 0], "AF_INET6"])

    def test_a_server_that_speaks_first_is_heard(self):
        program = "import socket\ns = socket.create_connection(('greet.test', 25))"
        told = self.show(program, "s.makefile().readline()")
        self.assertEqual(told["value"], "220 hello\n")

    def test_a_name_at_a_loopback_address_is_routed_by_its_name(self):
        program = "import socket\ns = socket.create_connection(('local.test', 80))"
        told = self.show(program, "s.getpeername()")
        self.assertEqual(told["value"], ["127.0.0.1", 80])
        self.assertIn("local.test:80", [call[1] for call in self.broker.calls])

    def test_a_socket_that_does_not_wait_is_connected_at_once(self):
        program = """
import socket
s = socket.socket()
s.setblocking(False)
def go():
    code = s.connect_ex(("203.0.113.7", 80))
    return [code, s.gettimeout(), s.getpeername()[0]]
"""
        self.assertEqual(self.show(program, "go()")["value"], [0, 0.0, "203.0.113.7"])

    def test_a_servers_and_its_clients_sockets_stay_direct(self):
        program = """
import socket, threading
def go():
    server = socket.socket()
    server.bind(("127.0.0.1", 0))
    server.listen(1)
    client = socket.create_connection(server.getsockname())
    other, address = server.accept()
    other.sendall(b"hello")
    named = socket.create_connection(("localhost", server.getsockname()[1]))
    return [client.recv(5).decode(), address == client.getsockname(), named.getpeername()[0]]
"""
        self.assertEqual(self.show(program, "go()")["value"], ["hello", True, "127.0.0.1"])
        self.assertEqual(self.broker.calls, [])

    def test_the_routing_can_be_turned_off(self):
        program = "import socket, sys"
        expression = "[m for m in sys.modules if m.startswith('sandbox_net_native.s')]"
        found = self.show(program, expression, SANDBOX_NET_ENABLED="0")["value"]
        self.assertNotIn("sandbox_net_native.sockets", found)


class ConnectingByUnixSocket(Connecting):
    """The same with a broker on a Unix socket."""

    path = "yes"

    def test_options_and_addresses_are_those_of_tcp(self):
        program = """
import socket
s = socket.create_connection(("good.test", 80))
def go():
    s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    option = s.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
    return [option, s.getsockname()[0], s.getpeername(), s.family.name]
"""
        expected = [1, "127.0.0.1", ["203.0.113.7", 80], "AF_INET"]
        self.assertEqual(self.show(program, "go()")["value"], expected)


class Lookups(Case):
    """Names and addresses."""

    def test_a_lookup_tells_what_the_broker_tells(self):
        program = "import socket"
        told = self.show(program, "socket.getaddrinfo('six.test', 443, type=socket.SOCK_STREAM)")
        addresses = [info[4] for info in told["value"]]
        self.assertEqual(addresses, [["2001:db8::7", 443, 0, 0], ["203.0.113.7", 443]])
        told = self.show(program, "repr(socket.getaddrinfo('good.test', 'http')[0])")
        self.assertIn("SOCK_STREAM", told["value"])

    def test_a_name_without_addresses_gets_a_stand_in_that_means_it(self):
        program = """
import socket
def go():
    address = socket.gethostbyname("secret.test")
    return [address, socket.create_connection((address, 80)).getpeername()]
"""
        told = self.show(program, "go()")["value"]
        self.assertEqual(told[0], "240.0.0.1")
        self.assertEqual([call[1] for call in self.broker.calls][-1], "secret.test:80")

    def test_addresses_have_the_names_that_were_looked_up(self):
        program = """
import socket
def go():
    address = socket.gethostbyname("good.test")
    return [socket.gethostbyaddr(address)[0], socket.getfqdn(address),
            socket.getnameinfo((address, 80), 0)[0], socket.gethostbyname_ex("good.test")[2]]
"""
        expected = ["good.test", "good.test", "good.test", ["203.0.113.7"]]
        self.assertEqual(self.show(program, "go()")["value"], expected)

    def test_localhost_and_literals_need_no_broker(self):
        program = """
import socket
def go():
    return [socket.gethostbyname("localhost"), socket.gethostbyname("10.1"),
            socket.getaddrinfo("198.51.100.7", 80)[0][4], socket.getaddrinfo(None, 80)[0][4][1],
            socket.gethostbyname(socket.gethostname()) != ""]
"""
        expected = ["127.0.0.1", "10.0.0.1", ["198.51.100.7", 80], 80, True]
        self.assertEqual(self.show(program, "go()")["value"], expected)
        self.assertEqual(self.broker.calls, [])

    def test_a_wrong_argument_fails_as_in_cpython(self):
        for call in (
            "socket.getaddrinfo('good.test', 'no-such-service')",
            "socket.getaddrinfo('good.test', 80, family=99)",
            "socket.getaddrinfo('good.test', 80, type=99)",
            "socket.getaddrinfo('a' * 70 + '.test', 80)",
            "socket.socket().connect('good.test')",
            "socket.socket().connect(('good.test', 'x'))",
            "socket.socket().connect(('203.0.113.7', 70000))",
            "socket.socket().connect()",
            "socket.gethostbyname()",
        ):
            routed = self.show("import socket", call)
            native = self.show("import socket", call, SANDBOX_NET_ENABLED="0")
            self.assertEqual(
                (routed.get("kind"), routed.get("args")), (native["kind"], native["args"]), call
            )


class Failing(Case):
    """Connections that end, and brokers that are away."""

    def test_a_certificate_that_the_broker_refuses_is_one_that_python_refuses(self):
        program = "import socket, ssl\ncontext = ssl.create_default_context()"
        program += "\ns = socket.create_connection(('expired.test', 443))"
        told = self.show(program, "context.wrap_socket(s, server_hostname='expired.test')")
        self.assertIn(told["kind"], ("SSLCertVerificationError", "SSLError"))
        text = "[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed: "
        self.assertEqual(told["args"], ["1", text + "certificate has expired (_ssl.c:1000)"])
        self.assertEqual(told["more"]["verify_code"], "10")

    def test_a_budget_that_is_spent_is_told_in_a_request(self):
        for scheme in ("http", "https"):
            program = "import urllib.request"
            told = self.show(program, f"urllib.request.urlopen('{scheme}://spent.test/')")
            self.assertIn("the host's limit requests was reached", told["text"], scheme)

    def test_a_reset_stays_a_reset(self):
        program = "import socket\ns = socket.create_connection(('reset.test', 80))"
        told = self.show(program, "(s.sendall(b'GET / HTTP/1.1\\r\\n\\r\\n'), s.recv(10))")
        self.assertEqual(told["kind"], "ConnectionResetError")

    def test_a_broker_that_is_away_is_named(self):
        self.broker.close()
        for call in (
            "socket.create_connection(('good.test', 80))",
            "socket.create_connection(('203.0.113.7', 80))",
        ):
            told = self.show("import socket", call)
            self.assertEqual(told["kind"], "ConnectionRefusedError")
            self.assertIn(f"127.0.0.1:{self.broker.port}", told["text"])

    def test_a_broker_that_dies_in_a_request_is_named(self):
        for scheme, _port in (("http", 80), ("https", 443)):
            broker = FakeBroker(hosts())
            broker.authority = self.authority

            def die(broker=broker):
                for _ in range(400):
                    if any(call[0] == "CONNECT" for call in broker.calls):
                        break
                    time.sleep(0.05)
                time.sleep(1.0)
                broker.close()

            killer = threading.Thread(target=die)
            killer.start()
            call = f"urllib.request.urlopen('{scheme}://slow.test/')"
            told = show("import urllib.request", call, broker)
            killer.join()
            self.assertIn(f"127.0.0.1:{broker.port}", told["text"], scheme)

    def test_garbage_is_a_reset_that_names_the_broker(self):
        for garbage in (b"SSH-2.0-OpenSSH_9.2\r\n", b"\0" * 100, b"HTTP/1.1 abc\r\n\r\n"):
            broker = FakeBroker(hosts(), garbage=garbage)
            self.addCleanup(broker.close)
            for call in (
                "socket.create_connection(('good.test', 80))",
                "socket.create_connection(('203.0.113.7', 80))",
            ):
                told = show("import socket", call, broker)
                self.assertEqual(told["kind"], "ConnectionResetError", garbage)
                self.assertIn(f"127.0.0.1:{broker.port}", told["text"])

    def test_a_timeout_is_a_timeout_and_the_socket_keeps_it(self):
        listener = socket.socket()
        self.addCleanup(listener.close)
        listener.bind(("127.0.0.1", 0))
        listener.listen(5)
        program = "import socket\ns = socket.socket()\ns.settimeout(0.3)"
        port = str(listener.getsockname()[1])
        call = "s.connect(('203.0.113.7', 80))"
        told = show(program, call, SANDBOX_NET_BROKER_PORT=port)
        self.assertEqual(told["args"], ["timed out"])
        self.assertIn("OSError", told["bases"])

    def test_a_wrong_token_is_said(self):
        told = show(
            "import socket",
            "socket.create_connection(('203.0.113.7', 80))",
            self.broker,
            SANDBOX_NET_BROKER_TOKEN="wrong",
        )
        self.assertEqual(told["args"], ["13", "sandbox-net: the token is wrong"])


class Trust(Case):
    """Which certificates a program trusts, and proxies."""

    def test_own_bundles_and_unverified_contexts_go_on_working(self):
        program = """
import socket, ssl
def go(context):
    s = socket.create_connection(("good.test", 443))
    return context.wrap_socket(s, server_hostname="good.test").version()[:4]
default = ssl.create_default_context()
bundle = ssl.create_default_context(cafile={!r})
unverified = ssl._create_unverified_context()
""".format(os.path.join(self.authority.directory, "other.pem"))
        other = made_authority()
        self.addCleanup(shutil.rmtree, other.directory)
        shutil.copy(other.file, os.path.join(self.authority.directory, "other.pem"))
        told = self.show(program, "[go(default), go(bundle), go(unverified)]")
        self.assertEqual(told.get("value"), ["TLSv"] * 3, told)

    def test_proxies_that_are_the_broker_are_ignored_and_others_are_not(self):
        proxy = f"http://sandbox-net:{self.broker.token}@127.0.0.1:{self.broker.port}"
        program = "import urllib.request, os"
        told = self.show(
            program,
            "[urllib.request.getproxies(), os.environ['HTTPS_PROXY']]",
            HTTPS_PROXY=proxy,
            http_proxy=proxy,
            ftp_proxy="http://other.test:3128",
        )
        self.assertEqual(told["value"], [{"ftp": "http://other.test:3128"}, proxy])


if __name__ == "__main__":
    print(json.dumps({"skipped": "run it with -m unittest"}))
