"""Functions for one process, compared with those of this system where it has them."""

from support import HostTest  # noqa: I001 - first: it installs the stand-ins

import errno
import fcntl as known_fcntl
import hashlib
import io
import os
import random
import signal
import tempfile
import threading
import unittest
import unittest.mock

from sandbox_net import (
    cooperation,
    digests,
    file_locks,
    os_functions,
    pipes,
    processes,
    signals,
    streams,
    threads,
    uncaught,
    users,
)
from sandbox_net.unsupported import Stuck, Unsupported

HAS_OPENSSL = digests.scrypt is not getattr(hashlib, "scrypt", digests.scrypt)


class Digests(unittest.TestCase):
    @unittest.skipUnless(HAS_OPENSSL, "needs OpenSSL")
    def test_keys_are_those_of_openssl(self) -> None:
        source = random.Random(11)
        for _ in range(50):
            name = source.choice(["md5", "sha1", "sha224", "sha256", "sha512", "sha3_384"])
            password, salt = (source.randbytes(source.randrange(200)) for _ in "ab")
            rest = (source.randrange(1, 9), source.randrange(1, 200))
            ours = digests.pbkdf2_hmac(name, password, salt, *rest)
            self.assertEqual(ours, hashlib.pbkdf2_hmac(name, password, salt, *rest))
            cost = {"n": 1 << source.randrange(1, 6), "r": source.randrange(1, 9), "p": 2}
            ours = digests.scrypt(password, salt=salt, **cost)
            self.assertEqual(ours, hashlib.scrypt(password, salt=salt, **cost))

    def test_keys_are_those_of_the_standards(self) -> None:
        key = digests.pbkdf2_hmac("sha1", b"password", b"salt", 2)
        self.assertEqual(key.hex()[:16], "ea6c014dc72d6f8c")
        key = digests.scrypt(b"", salt=b"", n=16, r=1, p=1)
        self.assertEqual(key.hex()[:32], "77d6576238657b203b19ca42c18a0497")

    def test_what_means_nothing_is_refused(self) -> None:
        for wrong in ({"n": 3}, {"n": 0}, {"r": 0}, {"p": 0}, {"n": 1 << 20}, {"dklen": 0}):
            with self.assertRaises(ValueError):
                digests.scrypt(b"a", salt=b"b", **{"n": 2, "r": 8, "p": 1, **wrong})
        for wrong in ({"iterations": 0}, {"dklen": 0}):
            with self.assertRaises(ValueError):
                digests.pbkdf2_hmac("sha1", b"a", b"b", **{"iterations": 1, **wrong})


class FileLocks(HostTest):
    def setUp(self) -> None:
        super().setUp()
        self.path = os.path.join(tempfile.mkdtemp(), "lock")

    def test_two_descriptors_of_one_file_exclude_each_other(self) -> None:
        take = file_locks.LOCK_EX | file_locks.LOCK_NB
        with open(self.path, "w") as first, open(self.path) as second:
            file_locks.flock(first, take)
            with self.assertRaises(BlockingIOError) as caught:
                file_locks.flock(second, take)
            self.assertEqual(caught.exception.errno, errno.EWOULDBLOCK)
            with self.assertRaisesRegex(Stuck, "the lock of a file that this program holds"):
                file_locks.flock(second, file_locks.LOCK_EX)
            file_locks.flock(first, file_locks.LOCK_UN)
            file_locks.flock(second, file_locks.LOCK_SH)
            file_locks.flock(first, file_locks.LOCK_SH)
        with open(self.path) as third:
            file_locks.flock(third, take)

    def test_constants_are_those_of_linux(self) -> None:
        module = file_locks.build()
        for name, value in file_locks._CONSTANTS.items():
            self.assertEqual(getattr(module, name), value)
            self.assertEqual(getattr(known_fcntl, name, value), value, name)

    def test_a_lock_is_taken_once_another_thread_gives_it_back(self) -> None:
        with open(self.path, "w") as first, open(self.path) as second:
            file_locks.flock(first, file_locks.LOCK_EX)

            class Release(cooperation.Work):
                def run(self) -> None:
                    file_locks.flock(first, file_locks.LOCK_UN)

            cooperation.add(Release())
            file_locks.flock(second, file_locks.LOCK_EX)


class Pipes(HostTest):
    def setUp(self) -> None:
        super().setUp()
        for name in pipes._FUNCTIONS:
            if hasattr(os, name):
                patch = unittest.mock.patch.object(os, name, getattr(os, name))
                patch.start()
                self.addCleanup(patch.stop)

    def test_bytes_come_out_as_they_went_in(self) -> None:
        reader, writer = pipes.pipe()
        self.assertEqual(os.write(writer, b"hello"), 5)
        self.assertEqual((os.read(reader, 2), os.read(reader, 9)), (b"he", b"llo"))
        os.close(writer)
        self.assertEqual(os.read(reader, 1), b"")
        os.close(reader)
        with self.assertRaises(OSError):
            os.read(reader, 1)

    def test_waiting_for_oneself_is_an_error(self) -> None:
        reader, writer = pipes.pipe()
        with self.assertRaisesRegex(Stuck, "bytes in an empty pipe"):
            os.read(reader, 1)
        with self.assertRaisesRegex(Stuck, "room in a pipe"):
            os.write(writer, bytes(pipes.CAPACITY + 1))
        os.close(reader)
        with self.assertRaises(BrokenPipeError):
            os.write(writer, b"x")

    def test_a_pipe_is_a_file(self) -> None:
        reader, writer = pipes.pipe()
        with os.fdopen(writer, "w") as text:
            text.write("one\ntwo\n")
        with os.fdopen(reader) as lines:
            self.assertEqual(list(lines), ["one\n", "two\n"])


class Others(unittest.TestCase):
    def test_there_is_one_user(self) -> None:
        pwd, grp = users.build_pwd(), users.build_grp()
        self.assertEqual(pwd.getpwuid(users.ID), pwd.getpwnam(users.NAME))
        self.assertEqual(grp.getgrgid(users.ID), grp.getgrnam(users.NAME))
        for call, argument in ((pwd.getpwuid, 77), (pwd.getpwnam, "x"), (grp.getgrgid, 77)):
            with self.assertRaisesRegex(KeyError, "not found"):
                call(argument)

    def test_what_cannot_be_is_one_kind_of_error(self) -> None:
        for call in (processes.ProcessPoolExecutor, lambda: signals.alarm(1)):
            with self.assertRaisesRegex(Unsupported, "^sandbox-net: .* not supported: .*; use "):
                call()
        self.assertTrue(issubclass(Unsupported, OSError))
        self.assertTrue(issubclass(Unsupported, NotImplementedError))
        self.assertEqual((signals.alarm(0), signals.setitimer(0, 0)), (0, (0.0, 0.0)))

    def test_a_process_knows_itself(self) -> None:
        os_functions.kill(os.getpid(), 0)
        with self.assertRaises(ProcessLookupError):
            os_functions.kill(os.getpid() + 1, 0)
        seen: list[int] = []
        before = signal.signal(signal.SIGTERM, lambda number, _: seen.append(number))
        self.addCleanup(signal.signal, signal.SIGTERM, before)
        os_functions.kill(os.getpid(), signal.SIGTERM)
        self.assertEqual(seen, [signal.SIGTERM])
        mask = os_functions.umask(0o077)
        self.assertEqual(os_functions.umask(mask), 0o077)

    def test_exit_codes_are_those_of_a_long(self) -> None:
        for code, expected in ((3, 3), (-1, 255), (2**70, 255), (-(2**70), 255), (2**31, 0)):
            ours = uncaught.exit_code(code)
            self.assertEqual(ours, expected)

    def test_unbuffered_streams_have_the_names_of_natives(self) -> None:
        folder = tempfile.mkdtemp()
        with open(os.path.join(folder, "stream"), "wb", buffering=0) as raw:
            stream = io.TextIOWrapper(raw, write_through=True)
            streams.give_names(stream, "<stdout>")
            self.assertEqual((stream.name, stream.mode), ("<stdout>", "w"))
        other = io.StringIO()
        streams.give_names(other, "<stdout>")
        self.assertFalse(hasattr(other, "name"))

    @unittest.skipUnless(threads.can_start(), "needs threads")
    def test_threads_do_not_hinder_each_other(self) -> None:
        thread = threading.Thread(target=cooperation.sleep, args=(0.001,))
        thread.start()
        thread.join()


if __name__ == "__main__":
    unittest.main()
