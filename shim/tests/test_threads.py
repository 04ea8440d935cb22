"""Threads, pools and waits in an interpreter without threads."""

from support import HostTest  # noqa: I001 - first: it installs the stand-ins

import _thread
import asyncio
import concurrent.futures
import queue
import threading
import time
import types
import unittest
import unittest.mock
from asyncio.base_events import BaseEventLoop
from concurrent.futures import ThreadPoolExecutor
from multiprocessing.pool import ThreadPool

from sandbox_net import cooperation, live_locks, pools, resumable, thread_waits, threads, turns
from sandbox_net.unsupported import Stuck


class WithoutThreads(HostTest):
    def setUp(self) -> None:
        super().setUp()
        kept = [(holder, name) for holder, name, _ in (*threads.changes(), *pools.changes())]
        kept += [(BaseEventLoop, "_run_once"), (BaseEventLoop, "run_until_complete")]
        for holder, name in kept:
            stock = getattr(holder, name, None)
            patch = unittest.mock.patch.object(holder, name, stock, create=stock is None)
            patch.start()
            self.addCleanup(patch.stop)
        threads.do_without()
        pools.do_without()
        turns.do_without()
        thread_waits.register()
        every = (cooperation.pending, cooperation.standing, cooperation._given_up, cooperation.lost)
        for left in every:
            self.addCleanup(left.clear)

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

    def test_a_thread_runs_when_it_is_waited_for(self) -> None:
        seen: list[str] = []
        thread = threading.Thread(target=lambda: seen.append(threading.current_thread().name))
        thread.start()
        self.assertEqual((seen, thread.is_alive()), ([], True))
        thread.join()
        self.assertEqual((seen, thread.is_alive()), ([thread.name], False))
        with self.assertRaisesRegex(RuntimeError, "can only be started once"):
            thread.start()

    def test_a_consumer_that_is_left_waiting_gives_way(self) -> None:
        tasks: queue.Queue[int] = queue.Queue()
        found: list[int] = []

        def work() -> None:
            while True:
                found.append(tasks.get())
                tasks.task_done()

        threading.Thread(target=work, daemon=True).start()
        for number in range(3):
            tasks.put(number)
        tasks.join()
        self.assertEqual(found, [0, 1, 2])

    def test_a_thread_that_is_no_daemon_says_that_it_was_given_up(self) -> None:
        asked: queue.Queue[int] = queue.Queue()
        answered: queue.Queue[int] = queue.Queue()

        def work() -> None:  # a function that C calls cannot be suspended
            sorted(range(9), key=lambda _: answered.put(asked.get()))

        told: list[BaseException | None] = []
        with unittest.mock.patch.object(
            threading, "excepthook", lambda args: told.append(args.exc_value)
        ):
            threading.Thread(target=work, name="worker").start()
            asked.put(1)
            self.assertEqual(answered.get(), 1)
        self.assertRegex(str(told), "thread 'worker' is given up where it waits")
        asked.put(2)
        with self.assertRaisesRegex(Stuck, "thread 'worker' was given up where it waited"):
            answered.get()

    def test_a_daemon_that_ticks_gives_way_to_what_waits(self) -> None:
        stop, ticks = threading.Event(), []

        def tick() -> None:
            while not stop.wait(0.001):
                ticks.append(1)

        threading.Thread(target=tick, daemon=True).start()
        time.sleep(1)
        self.assertGreater(len(ticks), 2)

    def test_the_time_of_calls_counts_as_if_they_ran_at_once(self) -> None:
        with ThreadPoolExecutor(4) as pool:
            futures = [pool.submit(time.sleep, 0.5) for _ in range(4)]
            self.assertIsNone(futures[-1].result(timeout=1.9))

    def test_a_result_that_comes_too_late_is_a_timeout(self) -> None:
        with ThreadPoolExecutor() as pool:
            future = pool.submit(time.sleep, 0.05)
            with self.assertRaises(concurrent.futures.TimeoutError):
                future.result(0.01)
            self.assertIsNone(future.result(1))

    def test_a_pool_of_threads_runs_in_line(self) -> None:
        with ThreadPool(2) as pool:
            self.assertEqual(pool.map(abs, [-1, 2]), [1, 2])
            self.assertEqual(list(pool.imap(abs, [-1, 2])), [1, 2])
            self.assertEqual(pool.apply_async(abs, (-3,)).get(5), 3)

    def test_a_lock_that_nobody_can_release_is_an_error(self) -> None:
        lock = threading.Lock()
        self.assertTrue(lock.acquire())
        self.assertFalse(lock.acquire(blocking=False))
        self.assertFalse(lock.acquire(timeout=0.001))
        with self.assertRaisesRegex(Stuck, "a lock that nobody can release"):
            lock.acquire()
        lock.release()
        with lock:
            self.assertTrue(lock.locked())
        self.assertFalse(lock.locked())

    def test_a_raw_lock_is_released_by_a_thread_or_an_error(self) -> None:
        for allocate in (_thread.allocate_lock, _thread.LockType):
            lock = allocate()
            self.assertIsInstance(threading.Lock(), _thread.LockType)
            lock.acquire()
            threading.Thread(target=lock.release).start()
            self.assertTrue(lock.acquire())
            with self.assertRaisesRegex(Stuck, "a lock that nobody can release"):
                lock.acquire()

    def test_each_thread_has_data_of_its_own(self) -> None:
        data = threading.local()
        data.value = 1
        seen: list[bool] = []
        thread = threading.Thread(target=lambda: seen.append(hasattr(data, "value")))
        thread.start()
        thread.join()
        self.assertEqual((seen, data.value), ([False], 1))
        with ThreadPoolExecutor(1) as pool:
            pool.submit(setattr, data, "value", 2)
            self.assertEqual(pool.submit(lambda: data.value).result(), 2)
        self.assertEqual(data.value, 1)

    def test_a_full_queue_takes_more_while_somebody_could_empty_it(self) -> None:
        narrow: queue.Queue[int] = queue.Queue(maxsize=1)
        found: list[int] = []
        thread = threading.Thread(target=lambda: found.extend(narrow.get() for _ in range(3)))
        thread.start()
        for number in range(3):
            narrow.put(number)
        thread.join()
        self.assertEqual(found, [0, 1, 2])
        narrow.put(0)
        with self.assertRaises(queue.Full):
            narrow.put_nowait(1)
        with self.assertRaises(Stuck):
            narrow.put(1)

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
        async def main() -> list[object]:
            loop = asyncio.get_running_loop()
            return [
                await asyncio.to_thread(pow, 2, 3),
                await loop.run_in_executor(None, pow, 2, 4),
                await loop.run_in_executor(ThreadPoolExecutor(), pow, 2, 5),
                await asyncio.to_thread(lambda: asyncio.run(asyncio.sleep(0.001, 64))),
                await asyncio.to_thread(
                    lambda: asyncio.run_coroutine_threadsafe(
                        asyncio.sleep(0.001, 128), loop
                    ).result()
                ),
            ]

        self.assertEqual(asyncio.run(main()), [8, 16, 32, 64, 128])

    def test_a_loop_in_a_thread_answers_more_than_once(self) -> None:
        loop = asyncio.new_event_loop()
        self.addCleanup(loop.close)
        threading.Thread(target=loop.run_forever, daemon=True).start()
        for number in range(3):
            future = asyncio.run_coroutine_threadsafe(asyncio.sleep(0.001, number), loop)
            self.assertEqual(future.result(5), number)
        cooperation.standing.clear()

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

    def test_a_thread_goes_on_across_many_short_waits(self) -> None:
        ticks: list[int] = []

        def tick() -> None:
            while True:
                ticks.append(1)
                time.sleep(0.002)

        threading.Thread(target=tick, daemon=True).start()
        begun = time.monotonic()
        while len(ticks) <= 20:
            time.sleep(0.0005)
        self.assertLess(time.monotonic() - begun, 2)

    def test_a_call_of_a_pool_goes_on_while_its_future_is_asked(self) -> None:
        asked = threading.Event()

        def wait() -> str:
            while not asked.is_set():
                time.sleep(0.001)
            return "seen"

        with ThreadPoolExecutor(1) as pool:
            future = pool.submit(wait)
            time.sleep(0.01)
            self.assertFalse(future.done())
            asked.set()
            while not future.done():
                time.sleep(0)
            self.assertEqual(future.result(), "seen")

    def test_a_pool_has_no_more_calls_midway_than_threads(self) -> None:
        now: list[int] = []
        most: list[int] = []

        def call() -> str:
            now.append(1)
            most.append(len(now))
            time.sleep(0.002)
            now.pop()
            return threading.current_thread().name

        with ThreadPoolExecutor(2, thread_name_prefix="pool") as pool:
            futures = [pool.submit(call) for _ in range(6)]
            names = {future.result() for future in futures}
        self.assertEqual((max(most), names), (2, {"pool_0", "pool_1"}))

    def test_a_lock_keeps_threads_apart_across_their_waits(self) -> None:
        for lock in (threading.Lock(), threading.RLock()):
            inside: list[int] = []

            def enter(lock: object = lock, inside: list[int] = inside) -> None:
                with lock:  # type: ignore[attr-defined]
                    inside.append(1)
                    time.sleep(0.002)
                    inside.pop()

            started = [threading.Thread(target=enter) for _ in range(3)]
            for thread in started:
                thread.start()
            while any(thread.is_alive() for thread in started):
                time.sleep(0.0005)
                with lock:
                    self.assertEqual(inside, [])

    def test_a_loop_that_asks_for_what_a_lost_thread_would_do_is_an_error(self) -> None:
        ticks: list[int] = []

        def tick(_: int) -> int:
            ticks.append(1)
            threading.Event().wait(0.001)
            return 0

        threading.Thread(
            target=lambda: sorted(range(10), key=tick), name="lost", daemon=True
        ).start()
        begun = time.monotonic()
        with (
            unittest.mock.patch.object(live_locks, "LASTS", 0.2),
            self.assertRaisesRegex(Stuck, "asking for what thread 'lost' would do"),
        ):
            while len(ticks) < 10:
                time.sleep(0.0005)
        self.assertLess(time.monotonic() - begun, 5)

    def test_a_loop_that_does_something_itself_is_none(self) -> None:
        cooperation.lost.append("thread 'lost'")
        with unittest.mock.patch.object(live_locks, "LASTS", 0.05):
            for _number in range(200):
                time.sleep(0.0005)
            for _ in range(200):
                live_locks.Activity.count += 1
                time.sleep(0.0005)

    def test_a_call_that_asks_for_what_the_program_would_do_is_an_error(self) -> None:
        flag: list[int] = []

        def ask(_: int) -> int:
            while not flag:
                time.sleep(0.0005)
            return 0

        with ThreadPoolExecutor(1) as pool:
            future = pool.submit(lambda: sorted([1], key=ask))
            with unittest.mock.patch.object(live_locks, "LASTS", 0.2):
                time.sleep(0.01)
            with self.assertRaisesRegex(Stuck, "given up where it waits"):
                future.result()

    def test_only_functions_that_may_wait_are_compiled_again(self) -> None:
        self.assertIsNone(resumable.steps_of(_count))
        self.assertIsNotNone(resumable.steps_of(_nap))
        self.assertIsNotNone(resumable.steps_of(_nap_below))
        without_source: dict[str, object] = {}
        exec("import time\ndef nap(): time.sleep(1)", without_source)
        self.assertIsNone(resumable.steps_of(without_source["nap"]))

    def test_what_was_compiled_again_is_what_runs(self) -> None:
        """A definition that replaced the original, as when the file changed, is not used."""
        function = types.FunctionType(
            _nap.__code__.replace(co_names=("queue", "get")), globals(), "_nap"
        )
        self.assertIsNone(resumable.steps_of(function, is_first=True))


def _count(number: int) -> int:
    return 1 if number < 2 else _count(number - 1) + _count(number - 2)


def _nap() -> None:
    time.sleep(0.001)


def _nap_below() -> None:
    _nap()


class WithThreads(unittest.TestCase):
    @unittest.skipUnless(threads.can_start(), "needs threads")
    def test_nothing_is_changed(self) -> None:
        self.assertIsNot(ThreadPoolExecutor.submit, pools.submit)
        self.assertIsNot(threading.Thread.start, threads.start)


if __name__ == "__main__":
    unittest.main()
