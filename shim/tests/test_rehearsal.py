"""What is rehearsed before the snapshot, and that nothing of it is left."""

import support  # noqa: F401, I001 - first: it installs the stand-ins
from support import Answer, HostTest, Seen

import socket
import sys
import unittest
import urllib.request

from sandbox_net import addresses, control, own_address, rehearsal_network

# A count of which only differences matter, and numbers of descriptors, which are given again.
_MAY_CHANGE = {("Activity", "count"), ("TABLE", "_free")}


def _state() -> dict[tuple[str, ...], str]:
    """What the stand-ins keep in their modules, their classes and what those are made to."""
    found: dict[tuple[str, ...], str] = {}
    for module, loaded in sys.modules.items():
        if not module.startswith("sandbox_net."):
            continue
        for name, value in vars(loaded).items():
            if isinstance(value, int | str | bytes | list | set):
                found[module, name] = repr(value)
            kind = value if isinstance(value, type) else type(value)
            if kind.__module__.startswith("sandbox_net."):
                found |= {(module, name, key): repr(of) for key, of in _attributes(value)}
    return {key: value for key, value in found.items() if key[1:] not in _MAY_CHANGE}


def _attributes(of: object) -> list[tuple[str, object]]:
    kept = (int, str, bytes, list, set, dict)
    return [(key, it) for key, it in getattr(of, "__dict__", {}).items() if isinstance(it, kept)]


class Rehearsal(HostTest):
    def test_a_rehearsal_asks_no_host_and_leaves_nothing(self) -> None:
        own_address.begin_with(50000)
        before = urllib.request.__dict__["_opener"]
        rehearsal_network.rehearse()
        self.assertEqual(self.host.frames, [])
        self.assertIsNone(control._channel)
        self.assertEqual(own_address.own_port(), 50000)
        self.assertIs(urllib.request.__dict__["_opener"], before)

    def test_the_stand_ins_are_as_they_were(self) -> None:
        addresses.TABLE.forget()
        control.use_transport(None)
        before = _state()
        rehearsal_network.rehearse()
        self.assertEqual(_state(), before)
        control.use_transport(self.host)
        first = socket.getaddrinfo("first.example", 80, socket.AF_INET, socket.SOCK_STREAM)
        self.assertEqual(first[0][4], ("240.0.0.1", 80))

    def test_a_program_reaches_its_host_after_a_rehearsal(self) -> None:
        def answer(_: Seen) -> Answer:
            return Answer(fields=(("Content-Length", "2"),), body=[b"ok"])

        rehearsal_network.rehearse()
        control.use_transport(self.host)
        self.site(handler=answer)
        with urllib.request.urlopen("http://example.com/") as response:
            self.assertEqual(response.read(), b"ok")


if __name__ == "__main__":
    unittest.main()
