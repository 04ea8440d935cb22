"""A run with a loopback of its own: its own servers first, then the machine's by the broker."""

import socket
import threading

from fake_broker import Host
from test_routing import DENIED, Case

OWN = {"SANDBOX_NET_CONFINED": "1"}
URL = "json.loads(urllib.request.urlopen('http://localhost:{}/', timeout=20).read().decode())"
STREAM = """
import asyncio, socket
def run(task):
    loop = asyncio.new_event_loop()
    try:
        return loop.run_until_complete(task)
    finally:
        loop.close()
async def read(host, port):
    reader, writer = await asyncio.open_connection(host, port)
    writer.write(b"GET / HTTP/1.1\\r\\nHost: localhost\\r\\n\\r\\n")
    line = await reader.readline()
    writer.close()
    return line.decode().strip()
"""


def free_port():
    """A port on which nothing listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Loopback(Case):
    """`localhost` in such a run."""

    def connects(self):
        return [call[1] for call in self.broker.calls if call[0] == "CONNECT"]

    def test_a_server_of_the_machine_is_reached_by_the_broker(self):
        self.broker.hosts["localhost"] = Host()
        port = free_port()
        told = self.show("import urllib.request", URL.format(port), **OWN)
        self.assertEqual(told["value"]["target"], "/")
        # Where `localhost` has two addresses, both fail in the run, and mean one name.
        self.assertEqual(set(self.connects()), {f"localhost:{port}"})
        line = self.show(STREAM, f"run(read('localhost', {port}))", **OWN)
        self.assertEqual(line.get("value"), "HTTP/1.1 200 OK", line)

    def test_an_address_is_asked_for_as_the_address(self):
        self.broker.hosts["127.0.0.1"] = Host()
        port = free_port()
        call = f"socket.create_connection(('127.0.0.1', {port})).getpeername()"
        self.assertIn("value", self.show("import socket", call, **OWN))
        self.assertEqual(self.connects(), [f"127.0.0.1:{port}"])

    def test_a_server_of_the_run_comes_first(self):
        self.broker.hosts["localhost"] = Host()
        with socket.socket() as server:
            server.bind(("127.0.0.1", 0))
            server.listen(5)
            port = server.getsockname()[1]

            def serve():
                for _ in range(2):
                    client, _ = server.accept()
                    client.sendall(b"own\n")
                    client.close()

            threading.Thread(target=serve, daemon=True).start()
            call = f"socket.create_connection(('127.0.0.1', {port})).recv(9).decode()"
            self.assertEqual(self.show("import socket", call, **OWN).get("value"), "own\n")
            line = self.show(STREAM, f"run(read('127.0.0.1', {port}))", **OWN)
            self.assertEqual(line.get("value"), "own", line)
        self.assertEqual(self.connects(), [])

    def test_a_closed_port_stays_one_where_the_policy_denies_the_machines(self):
        self.broker.hosts["localhost"] = Host([], error=DENIED)
        self.broker.hosts["127.0.0.1"] = Host([], error=DENIED)
        for call in (
            "socket.create_connection(('localhost', {}))",
            "socket.create_connection(('127.0.0.1', {}))",
            "run(read('localhost', {}))",
        ):
            told = self.show(STREAM, call.format(free_port()), **OWN)
            self.assertEqual(told["kind"], "ConnectionRefusedError", told)
            self.assertIn(DENIED["message"], told["text"])
        number = f"socket.socket().connect_ex(('127.0.0.1', {free_port()}))"
        self.assertEqual(self.show("import socket", number, **OWN)["value"], 111)

    def test_without_such_a_run_loopback_is_the_machines(self):
        self.broker.hosts["localhost"] = Host()
        call = f"socket.create_connection(('localhost', {free_port()}))"
        self.assertEqual(self.show("import socket", call)["kind"], "ConnectionRefusedError")
        self.assertEqual(self.connects(), [])
