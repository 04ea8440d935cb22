"""multiprocessing.pool.ThreadPool and multiprocessing.dummy."""

import multiprocessing.dummy
import multiprocessing.pool
import time
from multiprocessing.pool import ThreadPool

with ThreadPool(3) as pool:
    print(pool.map(lambda n: n * n, range(5)), pool.map(str, []))
    print(list(pool.imap(str, range(3))), sorted(pool.imap_unordered(str, range(3), chunksize=2)))
    print(pool.apply(pow, (2, 5)), pool.starmap(pow, [(1, 2), (3, 4)]))
    print(pool.apply_async(pow, (2, 6)).get(5), pool.map_async(str, [1]).get())
    got = []
    pool.apply_async(pow, (2, 7), callback=got.append).wait()
    print(got)
    for call in (pool.map, pool.imap):
        try:
            list(call(lambda n: 1 / n, [1, 0]))
        except ZeroDivisionError as error:
            print(error)
    late = pool.apply_async(time.sleep, (0.3,))
    try:
        late.get(0.05)
    except multiprocessing.TimeoutError as error:
        print("too late", repr(error))

    def broken():
        yield 1
        raise ValueError("of the iterable")

    try:
        print(list(pool.imap(str, broken())))
    except ValueError as error:
        print(error)
try:
    pool.apply(print)
except ValueError as error:
    print(error)

pool = ThreadPool(2)
results = [pool.apply_async(pow, (2, n)) for n in range(3)]
pool.close()
pool.join()
print([result.get() for result in results], [result.successful() for result in results])
try:
    ThreadPool(0)
except ValueError as error:
    print(error)

with multiprocessing.dummy.Pool(2) as pool:
    print(pool.map(len, ["a", "bb"]))
process = multiprocessing.dummy.Process(target=print, args=("in a dummy",))
process.start()
process.join()
print(process.exitcode)
