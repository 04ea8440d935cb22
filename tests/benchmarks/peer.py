"""A peer of the harness: eryx.

Reads a workload and its arguments from each line, does it once, and prints how many seconds that
took.
A workload that the peer does not have is answered with ``none``.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import Any

GET = "import urllib.request\nprint(urllib.request.urlopen({url!r}).status)"


def timed(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


class Eryx:
    """The sandbox from PyPI (`pyeryx`)."""

    def __init__(self) -> None:
        import eryx

        self.eryx: Any = eryx
        self.session: Any = eryx.Session()
        self.session.execute("x = 0")

    def fresh(self) -> float:
        return timed(lambda: self.eryx.Sandbox().execute("print(1)"))

    def fresh_network(self) -> float:
        network = self.eryx.NetConfig.permissive()
        return timed(lambda: self.eryx.Sandbox(network=network).execute("print(1)"))

    def get(self, url: str) -> float:
        network = self.eryx.NetConfig.permissive()
        code = GET.format(url=url)

        def work() -> None:
            answer = self.eryx.Sandbox(network=network).execute(code)
            if answer.stdout.strip() not in ("200", b"200"):
                raise SystemExit(f"eryx answered {answer.stdout!r}")

        return timed(work)

    def turn(self) -> float:
        return timed(lambda: self.session.execute("x += 1"))

    def rate(self, count: str) -> float:
        """Seconds for each of `count` sandboxes, on two threads."""
        from concurrent.futures import ThreadPoolExecutor

        with ThreadPoolExecutor(2) as threads:
            spent = timed(lambda: list(threads.map(lambda _: self.fresh(), range(int(count)))))
        return spent / int(count)


def main() -> None:
    peer: Any = Eryx()
    print("ready", flush=True)
    for line in sys.stdin:
        name, *arguments = line.split()
        work = getattr(peer, name, None)
        print("none" if work is None else work(*arguments), flush=True)


main()
