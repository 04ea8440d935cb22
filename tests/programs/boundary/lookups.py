"""Looks up 300 names at once, to which nobody answers, and reports the refusals."""

from __future__ import annotations

import asyncio
import json


async def main() -> None:
    """Print the limit, its value and the text of each refusal, and how many lookups wait."""
    loop = asyncio.get_running_loop()
    names = (f"n{number}.silent.test" for number in range(300))
    tasks = [asyncio.ensure_future(loop.getaddrinfo(name, 80)) for name in names]
    done, pending = await asyncio.wait(tasks, timeout=1)
    for task in pending:
        task.cancel()
    errors = [task.exception() for task in done]
    told = [
        (error.limit, error.limit_value, error.strerror)  # type: ignore[union-attr]
        for error in errors
    ]
    print(json.dumps([told, len(pending)]))


asyncio.run(main())
