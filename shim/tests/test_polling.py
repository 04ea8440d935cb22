"""`select` and `selectors`."""

import support  # noqa: I001 - first: it installs the stand-ins
from support import Answer, HostTest

import errno
import select
import selectors
import socket
import unittest

from fake_host import WAIT
from test_sockets import GET, HELLO

BODY = ["h", "e", "l", "l", "o"]


def slow_hello(_seen: object) -> Answer:
    return Answer(fields=HELLO, before=[WAIT], body=[b"he", WAIT, b"llo"])


class Readiness(HostTest):
    def connected(self, host: str = "example.com", **settings: object) -> socket.socket:
        settings.setdefault("handler", slow_hello)
        self.site(host, **settings)
        sock = socket.create_connection((host, 80))
        self.addCleanup(sock.close)
        return sock

    def test_a_response_is_readable_when_it_is_there(self) -> None:
        sock = self.connected()
        self.assertEqual(select.select([sock], [sock], [], 0), ([], [sock], []))
        sock.sendall(GET)
        self.assertEqual(select.select([sock], [], [], 0), ([], [], []))
        data = b""
        sock.setblocking(False)
        while not data.endswith(b"hello"):
            self.assertEqual(select.select([sock], [], [], 30), ([sock], [], []))
            data += sock.recv(100)
        self.assertEqual(select.select([sock], [], [], 0), ([], [], []))

    def test_an_idle_connection_is_readable_only_where_it_is_over(self) -> None:
        sock = self.connected(handler=lambda _: Answer(fields=HELLO, body=[b"hello"]))
        for request, over in ((GET, []), (GET.replace(b"Host", b"Connection: close\r\nA"), [sock])):
            sock.sendall(request)
            sock.recv(43, socket.MSG_WAITALL)
            self.assertEqual(select.select([sock], [], [], 0)[0], over)

    def test_one_poll_frame_waits_for_many_sockets(self) -> None:
        socks = [self.connected(f"h{number}.example") for number in range(50)]
        for sock in socks:
            sock.sendall(GET)
        self.host.frames.clear()
        ready = select.select(socks, [], [], 30)[0]
        self.assertEqual(ready, socks)
        self.assertEqual(self.host.frames, [10])

    def test_a_full_socket_is_writable_when_the_host_takes_more(self) -> None:
        sock = self.connected(window=100)
        sock.setblocking(False)
        sock.send(b"POST / HTTP/1.1\r\nContent-Length: 150\r\n\r\n" + b"x" * 150)
        self.assertEqual(select.select([], [sock], [], 0)[1], [])
        self.assertEqual(select.select([], [sock], [], 30)[1], [sock])
        self.assertEqual(len(self.host.seen[0].body), 150)

    def test_a_waiting_continue_is_readable(self) -> None:
        sock = self.connected()
        sock.sendall(b"POST / HTTP/1.1\r\nContent-Length: 1\r\nExpect: 100-continue\r\n\r\n")
        self.assertEqual(select.select([sock], [], [], 0)[0], [sock])

    def test_poll_objects_tell_events(self) -> None:
        sock = self.connected()
        poll = select.poll()
        poll.register(sock, select.POLLIN | select.POLLOUT)
        self.assertEqual(poll.poll(0), [(sock.fileno(), select.POLLOUT)])
        sock.sendall(GET)
        poll.modify(sock, select.POLLIN)
        self.assertEqual(poll.poll(0), [])
        self.assertEqual(poll.poll(), [(sock.fileno(), select.POLLIN)])
        poll.unregister(sock)
        self.assertEqual(poll.poll(0), [])
        with self.assertRaises(KeyError):
            poll.unregister(sock)
        with self.assertRaises(OSError) as caught:
            poll.modify(sock, 1)
        self.assertEqual(caught.exception.errno, errno.ENOENT)

    def test_poll_refuses_what_c_has_no_room_for(self) -> None:
        sock = self.connected()
        poll = select.poll()
        poll.register(sock, 0xFFFF)
        for change in (poll.register, poll.modify):
            with self.assertRaisesRegex(ValueError, "value must be positive"):
                change(sock, -1)
            with self.assertRaises(OverflowError):
                change(sock, 0x10000)
        with self.assertRaises(OverflowError):
            poll.poll(1 << 31)

    def test_the_class_of_poll_objects_makes_none(self) -> None:
        with self.assertRaisesRegex(TypeError, r"cannot create 'select\.poll' instances"):
            type(select.poll())()

    def test_functions_kept_in_a_class_are_not_bound_to_its_instances(self) -> None:
        class Keeper:
            wait = select.select
            poll = select.poll

        ours, _ = socket.socketpair()
        self.assertEqual(Keeper().wait([], [ours], [], 0), ([], [ours], []))
        self.assertEqual(Keeper().poll().poll(0), [])

    def test_every_selector_of_the_system_waits_for_a_socket(self) -> None:
        for name in ("SelectSelector", "PollSelector", "DefaultSelector"):
            ours, theirs = socket.socketpair()
            with self.subTest(name), getattr(selectors, name)() as selector:
                key = selector.register(ours, selectors.EVENT_READ)
                theirs.send(b"x")
                self.assertEqual(selector.select(0), [(key, selectors.EVENT_READ)])

    def test_poll_tells_of_closed_descriptors(self) -> None:
        sock = socket.socket()
        poll = select.poll()
        poll.register(sock)
        fd = sock.fileno()
        sock.close()
        self.assertEqual(poll.poll(0), [(fd, select.POLLNVAL)])
        with self.assertRaises(OSError):
            select.select([fd], [], [], 0)

    def test_an_unconnected_socket_is_hung_up(self) -> None:
        with socket.socket() as sock:
            poll = select.poll()
            poll.register(sock, select.POLLOUT)
            self.assertEqual(poll.poll(0), [(sock.fileno(), select.POLLOUT | select.POLLHUP)])

    def test_selectors_work(self) -> None:
        one, two = socket.socketpair()
        with one, two, selectors.DefaultSelector() as selector:
            selector.register(one, selectors.EVENT_READ, "data")
            self.assertEqual(selector.select(0), [])
            two.send(b"x")
            ((key, events),) = selector.select()
            self.assertEqual((key.data, events), ("data", selectors.EVENT_READ))

    def test_a_wait_that_nothing_can_end_is_an_error_without_a_timeout(self) -> None:
        one, two = socket.socketpair()
        with one, two:
            self.assertEqual(select.select([one], [], [], 0.001), ([], [], []))
            with self.assertRaises(OSError) as caught:
                select.select([one], [], [])
            self.assertEqual(caught.exception.errno, errno.EDEADLK)

    def test_standard_streams_count_as_ready_beside_sockets(self) -> None:
        one, two = socket.socketpair()
        with one, two:
            self.assertEqual(select.select([one, 0], [1], [], 5), ([0], [1], []))

    def test_arguments_are_checked_as_cpython_does(self) -> None:
        with self.assertRaises(ValueError):
            select.select([-1], [], [], 0)
        with self.assertRaises(TypeError):
            select.select(["x"], [], [], 0)
        with self.assertRaises(TypeError):
            select.select([], [], [], "x")
        with self.assertRaises(ValueError):
            select.select([], [], [], -1)
        self.assertIs(select.error, OSError)

    def test_an_empty_wait_lasts_its_timeout(self) -> None:
        self.assertEqual(select.select([], [], [], 0.001), ([], [], []))


if __name__ == "__main__":
    _ = support
    unittest.main()
