"""Frames and replies."""

from support import HAS_LOOPBACK  # noqa: I001 - first: it installs the stand-ins

import errno
import os
import struct
import unittest

from sandbox_net import channel as ch
from sandbox_net.channel import BrokenChannel, Channel, ChannelError, Chunk, FdTransport, Reply


class Scripted:
    """A transport that keeps what is written and returns fixed bytes."""

    def __init__(self, reply: bytes, piece: int | None = None) -> None:
        self.written: list[bytes] = []
        self._reply = reply
        self._piece = piece

    def write(self, header: bytes, payload: bytes | memoryview) -> None:
        self.written.append(header + bytes(payload))

    def read_into(self, view: memoryview) -> int:
        count = min(len(view), len(self._reply), self._piece or 1 << 30)
        view[:count] = self._reply[:count]
        self._reply = self._reply[count:]
        return count


def reply(
    status: int = 0, code: int = 0, detail: int = 0, value: int = 0, body: bytes = b""
) -> bytes:
    return struct.pack("<BBBBIII", 1, status, code, detail, value, 9, len(body)) + body


class Frames(unittest.TestCase):
    def test_a_frame_has_the_layout_of_the_contract(self) -> None:
        transport = Scripted(reply())
        Channel(transport).call(ch.REQUEST, 0x01020304, 7, b"payload")
        self.assertEqual(
            transport.written,
            [b"\x01\x05\x00\x00\x04\x03\x02\x01\x07\x00\x00\x00\x07\x00\x00\x00payload"],
        )

    def test_replies_are_read_in_any_pieces(self) -> None:
        for size in (0, 1, 100, 70_000, 200_000):
            body = os.urandom(size)
            for piece in (None, 1, 15, 16, 17, 4096):
                if piece == 1 and size > 1000:
                    continue
                with self.subTest(size=size, piece=piece):
                    channel = Channel(Scripted(reply(value=5, body=body), piece))
                    self.assertEqual(channel.call(ch.HEAD, 1), Reply(False, 5, body))

    def test_pending_is_told(self) -> None:
        self.assertTrue(Channel(Scripted(reply(status=1))).call(ch.HEAD, 1).pending)

    def test_errors_carry_code_detail_text_and_rest(self) -> None:
        body = struct.pack("<I", 5) + b"h\xc3\xa4h\xff" + b"rest"
        for piece in (None, 3):
            with self.assertRaises(ChannelError) as caught:
                Channel(Scripted(reply(2, 8, 3, body=body), piece)).call(ch.HEAD, 1)
            error = caught.exception
            self.assertEqual(
                (error.code, error.detail, error.text, error.rest), (8, 3, "häh\ufffd", b"rest")
            )

    def test_errors_of_the_adapter_have_no_payload(self) -> None:
        with self.assertRaises(ChannelError) as caught:
            Channel(Scripted(reply(2, 131))).read_into(1, memoryview(bytearray(5)))
        self.assertEqual((caught.exception.code, caught.exception.text), (131, ""))

    def test_a_body_is_read_into_the_callers_own_memory(self) -> None:
        for piece in (None, 3, 16):
            buffer = bytearray(10)
            transport = Scripted(reply(body=b"abcdef"), piece)
            chunk = Channel(transport).read_into(1, memoryview(buffer)[2:])
            self.assertEqual((chunk, bytes(buffer)), (Chunk(6, False, False), b"\0\0abcdef\0\0"))
            self.assertEqual(struct.unpack_from("<I", transport.written[0], 8), (8,))

    def test_the_end_of_a_body_is_told_apart_from_pending(self) -> None:
        view = memoryview(bytearray(5))
        cases = (
            (reply(value=1), Chunk(0, pending=False, end=True)),
            (reply(value=1, body=b"behind it"), Chunk(0, False, True, b"behind it")),
            (reply(status=1), Chunk(0, pending=True, end=False)),
        )
        for answer, expected in cases:
            self.assertEqual(Channel(Scripted(answer)).read_into(1, view), expected)

    def test_poll_gives_what_is_ready(self) -> None:
        transport = Scripted(reply(value=1, body=b"\x00\x02"))
        self.assertEqual(Channel(transport).poll([(5, 1), (6, 2)], ch.FOREVER), [0, 2])
        self.assertEqual(
            transport.written[0][16:],
            b"\xff" * 8 + b"\x05\0\0\0\x01\0\0\0" + b"\x06\0\0\0\x02\0\0\0",
        )

    def test_a_channel_that_does_not_keep_to_the_contract_is_an_error(self) -> None:
        broken = {
            "nothing": b"",
            "half a header": reply()[:8],
            "half a payload": reply(body=b"abcd")[:-1],
            "another version": b"\x02" + reply()[1:],
            "an unknown status": reply(status=3),
        }
        for name, data in broken.items():
            with self.subTest(name), self.assertRaises(BrokenChannel) as caught:
                Channel(Scripted(data)).call(ch.HEAD, 1)
            self.assertEqual(caught.exception.errno, errno.EIO)
        with self.assertRaises(BrokenChannel):
            Channel(Scripted(reply(body=b"abc"))).read_into(1, memoryview(bytearray(2)))
        with self.assertRaises(BrokenChannel):
            Channel(Scripted(reply(body=b"abc"))).poll([(1, 1)], 0)


class Descriptor(unittest.TestCase):
    @unittest.skipUnless(HAS_LOOPBACK, "has the capability")
    def test_without_the_capability_there_is_no_network(self) -> None:
        with self.assertRaises(PermissionError) as caught:
            Channel(FdTransport()).call(ch.HEAD, 1)
        self.assertEqual(caught.exception.errno, errno.EACCES)
        self.assertIn("no network", str(caught.exception))

    @unittest.skipUnless(HAS_LOOPBACK, "needs a pipe of the system")
    def test_a_frame_is_one_write(self) -> None:
        reader, writer = os.pipe()
        try:
            FdTransport(writer).write(b"h" * 16, memoryview(b"payload"))
            self.assertEqual(os.read(reader, 100), b"h" * 16 + b"payload")
            view = memoryview(bytearray(4))
            os.write(writer, b"abcdef")
            self.assertEqual((FdTransport(reader).read_into(view), bytes(view)), (4, b"abcd"))
        finally:
            os.close(reader)
            os.close(writer)


if __name__ == "__main__":
    unittest.main()
