"""What is rehearsed before the snapshot, and that nothing of it is left."""

import support  # noqa: F401, I001 - first: it installs the stand-ins
from support import Answer, HostTest, Seen

import unittest
import urllib.request

from sandbox_net import control, own_address, rehearsal_network


class Rehearsal(HostTest):
    def test_a_rehearsal_asks_no_host_and_leaves_nothing(self) -> None:
        own_address.begin_with(50000)
        before = urllib.request.__dict__["_opener"]
        rehearsal_network.rehearse()
        self.assertEqual(self.host.frames, [])
        self.assertIsNone(control._channel)
        self.assertEqual(own_address.own_port(), 50000)
        self.assertIs(urllib.request.__dict__["_opener"], before)

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
