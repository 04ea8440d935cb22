"""asyncio: names without threads, and many connections at once."""

from support import Answer, HostTest  # noqa: I001 - first: it installs the stand-ins

import asyncio
import contextlib
import signal
import socket
import unittest

from fake_host import WAIT, Failure, Seen
from test_sockets import GET, HELLO


def hello(_seen: Seen) -> Answer:
    return Answer(fields=HELLO, body=[b"hello"], before=[WAIT])


async def fetch(host: str, port: int = 80) -> bytes:
    reader, writer = await asyncio.open_connection(host, port)
    writer.write(GET)
    await reader.readuntil(b"\r\n\r\n")
    body = await reader.readexactly(5)
    writer.close()
    await writer.wait_closed()
    return body


class Signals(HostTest):
    @unittest.skipIf(hasattr(signal, "set_wakeup_fd"), "this system has signals")
    def test_a_loop_without_signals_says_so_as_windows_loops_do(self) -> None:
        async def handle() -> None:
            loop = asyncio.get_running_loop()
            with self.assertRaisesRegex(NotImplementedError, "no signals"):
                loop.add_signal_handler(signal.SIGINT, print)
            with self.assertRaises(NotImplementedError):
                loop.remove_signal_handler(signal.SIGINT)

        asyncio.run(handle())


class Names(HostTest):
    def test_other_tasks_go_on_while_a_name_is_looked_up(self) -> None:
        self.host.names["slow.example"] = [WAIT, WAIT]
        order: list[str] = []

        async def ask() -> None:
            await asyncio.get_running_loop().getaddrinfo("slow.example", 80)
            order.append("answer")

        async def other() -> None:
            order.append("other")

        async def both() -> None:
            await asyncio.gather(ask(), other())

        asyncio.run(both())
        self.assertEqual(order, ["other", "answer"])
        self.assertEqual(self.host.open_handles, 0)

    def test_what_is_given_is_what_the_socket_module_gives(self) -> None:
        async def ask(*args: object, **kwargs: int) -> list[object]:
            loop = asyncio.get_running_loop()
            return await loop.getaddrinfo(*args, **kwargs)  # type: ignore[arg-type]

        for host in ("example.com", b"example.com", "192.0.2.1", "::1", None):
            for family in (0, socket.AF_INET, socket.AF_INET6):
                flags: dict[str, int] = {"family": family, "type": socket.SOCK_STREAM}
                inside: object = None
                outside: object = None
                with contextlib.suppress(socket.gaierror):
                    outside = socket.getaddrinfo(host, 80, **flags)
                with contextlib.suppress(socket.gaierror):
                    inside = asyncio.run(ask(host, 80, **flags))
                self.assertEqual(repr(inside), repr(outside))

    def test_a_lookup_that_is_cancelled_is_given_up(self) -> None:
        self.host.names["slow.example"] = [WAIT] * 5

        async def ask() -> None:
            asking = asyncio.ensure_future(
                asyncio.get_running_loop().getaddrinfo("slow.example", 80)
            )
            await asyncio.sleep(0)
            asking.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await asking

        asyncio.run(ask())
        self.assertEqual(self.host.open_handles, 0)

    def test_a_failure_is_raised_to_whoever_asked(self) -> None:
        self.host.names["gone.example"] = [WAIT, Failure(2, 0)]
        with self.assertRaises(socket.gaierror):
            asyncio.run(fetch("gone.example"))

    def test_an_address_has_a_name_and_a_service(self) -> None:
        async def ask() -> tuple[str, str]:
            return await asyncio.get_running_loop().getnameinfo(("192.0.2.1", 80))

        self.assertEqual(asyncio.run(ask()), ("192.0.2.1", "http"))


class Connecting(HostTest):
    def test_a_denial_that_comes_late_is_told_in_the_hosts_words(self) -> None:
        denial = Failure(1, 1, "its rule does not allow any of its addresses", b"a rule")
        self.site("inside.example", connect=[WAIT, denial])
        with self.assertRaisesRegex(PermissionError, "does not allow any of its addresses"):
            asyncio.run(fetch("inside.example"))
        self.assertEqual(self.host.open_handles, 0)

    def test_a_refusal_is_told_as_natively(self) -> None:
        for script in ([Failure(3)], [WAIT, Failure(3)]):
            self.site("refuses.example", connect=script)
            with self.assertRaisesRegex(ConnectionRefusedError, "Connect call failed"):
                asyncio.run(fetch("refuses.example"))


class Together(HostTest):
    def test_requests_are_in_flight_together(self) -> None:
        self.site(handler=hello)

        async def both() -> list[bytes]:
            return await asyncio.gather(*(fetch("example.com") for _ in range(20)))

        self.assertEqual(asyncio.run(both()), [b"hello"] * 20)
        # All were sent before the first answer was there to be read.
        first_head = self.host.frames.index(8)
        self.assertGreaterEqual(self.host.frames[: first_head + 200].count(5), 20)
        self.assertEqual(self.host.open_handles, 0)


if __name__ == "__main__":
    unittest.main()
