"""Executors and waits in an interpreter without threads."""

from support import HostTest  # noqa: I001 - first: it installs the stand-ins

import asyncio
import concurrent.futures
import queue
import threading
import unittest
import unittest.mock
from asyncio.base_events import BaseEventLoop
from concurrent.futures import ThreadPoolExecutor

from sandbox_net import threads


class WithoutThreads(HostTest):
    def setUp(self) -> None:
        super().setUp()
        kept = [
            (ThreadPoolExecutor, "__init__"),
            (ThreadPoolExecutor, "submit"),
            (BaseEventLoop, "shutdown_default_executor"),
            (threading.Condition, "wait"),
            (queue, "SimpleQueue"),
            (threading, "_start_new_thread"),
            (threading, "_start_joinable_thread"),
        ]
        for holder, name in kept:
            stock = getattr(holder, name, None)
            patch = unittest.mock.patch.object(holder, name, stock, create=stock is None)
            patch.start()
            self.addCleanup(patch.stop)
        threads.do_without()

    def test_a_pool_runs_its_calls_in_line_and_in_order(self) -> None:
        seen: list[str] = []
        with ThreadPoolExecutor(4, initializer=seen.append, initargs=("first",)) as pool:
            futures = [pool.submit(pow, 2, n) for n in range(3)]
            self.assertTrue(all(future.done() for future in futures))
            self.assertEqual(list(pool.map(str, (1, 2))), ["1", "2"])
            found = concurrent.futures.as_completed(futures)
            self.assertEqual(sorted(future.result() for future in found), [1, 2, 4])
            done, pending = concurrent.futures.wait(futures)
        self.assertEqual((len(done), len(pending), seen), (3, 0, ["first"]))

    def test_a_thread_says_what_does_without_threads(self) -> None:
        with self.assertRaisesRegex(RuntimeError, "^can't start new thread: .* executors"):
            threading.Thread(target=print).start()
        with self.assertRaisesRegex(RuntimeError, "can't start new thread"):
            threading.Timer(0, print).start()

    def test_an_exception_is_the_futures(self) -> None:
        with ThreadPoolExecutor() as pool:
            future = pool.submit(divmod, 1, 0)
        self.assertIsInstance(future.exception(), ZeroDivisionError)

    def test_a_call_may_submit_another(self) -> None:
        with ThreadPoolExecutor() as pool:
            future = pool.submit(lambda: pool.submit(pow, 3, 2).result())
        self.assertEqual(future.result(), 9)

    def test_a_pool_that_was_shut_down_takes_no_calls(self) -> None:
        pool = ThreadPoolExecutor()
        pool.shutdown()
        with self.assertRaisesRegex(RuntimeError, "after shutdown"):
            pool.submit(pow, 1, 1)

    def test_asyncio_runs_calls_in_line(self) -> None:
        async def main() -> list[int]:
            loop = asyncio.get_running_loop()
            return [
                await asyncio.to_thread(pow, 2, 3),
                await loop.run_in_executor(None, pow, 2, 4),
                await loop.run_in_executor(ThreadPoolExecutor(), pow, 2, 5),
            ]

        self.assertEqual(asyncio.run(main()), [8, 16, 32])

    def test_waiting_for_nobody_is_an_error_and_not_for_ever(self) -> None:
        cases = [
            queue.Queue().get,
            queue.SimpleQueue().get,
            threading.Event().wait,
            threading.Semaphore(0).acquire,
            concurrent.futures.Future[int]().result,
        ]
        for call in cases:
            with self.assertRaisesRegex(RuntimeError, "there are no threads"):
                call()

    def test_waiting_with_a_timeout_ends_as_it_does_with_threads(self) -> None:
        with self.assertRaises(queue.Empty):
            queue.Queue[int]().get(timeout=0.001)
        with self.assertRaises(queue.Empty):
            queue.SimpleQueue[int]().get(timeout=0.001)
        with self.assertRaises(concurrent.futures.TimeoutError):
            concurrent.futures.Future[int]().result(0.001)
        self.assertFalse(threading.Event().wait(0.001))

    def test_waiting_without_the_lock_is_an_error(self) -> None:
        with self.assertRaisesRegex(RuntimeError, "un-acquired lock"):
            threading.Condition().wait(0.001)


class WithThreads(unittest.TestCase):
    @unittest.skipUnless(threads.can_start(), "needs threads")
    def test_nothing_is_changed(self) -> None:
        self.assertIsNot(ThreadPoolExecutor.submit, threads.submit_in_line)


if __name__ == "__main__":
    unittest.main()
