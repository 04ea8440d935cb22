"""asyncio: streams and connects that are routed without blocking the loop."""

import unittest

from fake_broker import Host
from test_routing import DENIED, Case

PROGRAM = """
import asyncio, ssl, socket
context = ssl.create_default_context()
def run(task):
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    try:
        return loop.run_until_complete(task)
    finally:
        loop.close()
async def get(host, port=80, **more):
    reader, writer = await asyncio.open_connection(host, port, **more)
    writer.write(b"GET /x HTTP/1.1\\r\\nHost: %s\\r\\n\\r\\n" % host.encode())
    await writer.drain()
    head = await reader.readuntil(b"\\r\\n\\r\\n")
    peer = writer.get_extra_info("peername")
    writer.close()
    return [head.split(b"\\r\\n")[0].decode(), peer[0]]
async def secure(host):
    return await get(host, 443, ssl=context)
"""


class Streams(Case):
    """`asyncio.open_connection`."""

    def test_streams_are_routed(self):
        expected = ["HTTP/1.1 200 OK", "203.0.113.7"]
        self.assertEqual(self.show(PROGRAM, "run(get('good.test'))").get("value"), expected)
        self.assertEqual(self.show(PROGRAM, "run(secure('good.test'))").get("value"), expected)

    def test_a_denied_host_is_a_permission_error(self):
        for call in ("get", "secure"):
            told = self.show(PROGRAM, f"run({call}('denied.test'))")
            self.assertEqual(told["kind"], "PermissionError", told)
            self.assertEqual(told["args"], ["13", DENIED["message"]])

    def test_a_name_that_is_none_is_a_gaierror(self):
        told = self.show(PROGRAM, "run(get('none.test'))")
        self.assertEqual(told["kind"], "gaierror")

    def test_a_bad_certificate_is_one_for_python(self):
        told = self.show(PROGRAM, "run(secure('expired.test'))")
        self.assertIn(told["kind"], ("SSLCertVerificationError", "SSLError"))
        self.assertIn("certificate has expired", told["text"])

    def test_a_spent_budget_is_told_to_the_reader(self):
        for call in ("get", "secure"):
            told = self.show(PROGRAM, f"run({call}('spent.test'))")
            self.assertIn("limit requests was reached", told["text"], told)

    def test_a_refusal_is_told_to_a_writer(self):
        program = (
            PROGRAM
            + """
async def write(host):
    reader, writer = await asyncio.open_connection(host, 80)
    for _ in range(200):
        writer.write(b"x" * 65536)
        await writer.drain()
        await asyncio.sleep(0.01)
"""
        )
        told = self.show(program, "run(write('spent.test'))")
        self.assertIn("limit requests was reached", told["text"], told)

    def test_a_protocol_that_raises_its_own_error_shows_the_refusal(self):
        program = (
            PROGRAM
            + """
class Own(asyncio.Protocol):
    def __init__(self, over):
        self.over = over
    def connection_made(self, transport):
        transport.write(b"GET / HTTP/1.1\\r\\nHost: spent.test\\r\\n\\r\\n")
    def connection_lost(self, error):
        try:
            raise RuntimeError("gone")
        except RuntimeError as own:
            self.over.set_result(str(own.__context__))
async def go(**more):
    loop = asyncio.get_event_loop()
    over = loop.create_future()
    await loop.create_connection(lambda: Own(over), "spent.test", **more)
    return await over
"""
        )
        for more in ("port=80", "port=443, ssl=context"):
            told = self.show(program, f"run(go({more}))")
            self.assertIn("limit requests was reached", told.get("value", ""), told)

    def test_other_tasks_run_while_the_broker_decides(self):
        self.broker.hosts["slow-to-decide.test"] = Host(delay=1.0)
        program = (
            PROGRAM
            + """
async def both():
    ticks = 0
    task = asyncio.ensure_future(get("slow-to-decide.test"))
    while not task.done():
        ticks += 1
        await asyncio.sleep(0.02)
    return [ticks > 20, task.result()[0]]
"""
        )
        self.assertEqual(self.show(program, "run(both())").get("value"), [True, "HTTP/1.1 200 OK"])

    def test_a_connect_can_be_cancelled_and_the_socket_used_again(self):
        self.broker.hosts["198.51.100.9"] = Host(delay=2.0)
        program = (
            PROGRAM
            + """
async def go():
    sock = socket.socket()
    sock.setblocking(False)
    loop = asyncio.get_event_loop()
    try:
        await asyncio.wait_for(loop.sock_connect(sock, ("198.51.100.9", 80)), 0.3)
    except asyncio.TimeoutError:
        await asyncio.sleep(0.1)  # Python 3.6 cancels, and does not wait for its end
        await loop.sock_connect(sock, ("203.0.113.7", 80))
    return [sock.getpeername()[0], sock.gettimeout()]
"""
        )
        self.assertEqual(self.show(program, "run(go())").get("value"), ["203.0.113.7", 0.0])

    def test_a_broker_that_is_away_is_named(self):
        self.broker.close()
        told = self.show(PROGRAM, "run(get('203.0.113.7'))")
        self.assertEqual(told["kind"], "ConnectionRefusedError")
        if not self.path:
            self.assertIn(f"127.0.0.1:{self.broker.port}", told["text"])

    def test_a_brokers_socket_that_is_gone_is_a_refused_connection(self):
        for call in ("run(get('203.0.113.7'))", "socket.create_connection(('203.0.113.7', 80))"):
            told = self.show(PROGRAM, call, SANDBOX_NET_BROKER_SOCKET="/no/such/socket")
            self.assertEqual(told["kind"], "ConnectionRefusedError")
            self.assertIn("/no/such/socket", told["text"])

    def test_own_servers_stay_direct(self):
        program = (
            PROGRAM
            + """
async def go():
    async def serve(reader, writer):
        writer.write(b"hello")
        writer.close()
    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    address = server.sockets[0].getsockname()
    reader, writer = await asyncio.open_connection(*address)
    found = await reader.read(5)
    writer.close()
    server.close()
    return found.decode()
"""
        )
        self.assertEqual(self.show(program, "run(go())").get("value"), "hello")


class StreamsByUnixSocket(Streams):
    """The same with a broker on a Unix socket."""

    path = "yes"


del Case

if __name__ == "__main__":
    unittest.main()
