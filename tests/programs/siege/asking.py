"""Waits for permissions that nobody grants, thirty at once."""

import asyncio
import sys

port = int(sys.argv[1])


async def ask() -> None:
    try:
        await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return
    sys.exit("connected without anybody's word")


async def main() -> None:
    await asyncio.gather(*(ask() for _ in range(30)))


asyncio.run(main())
