"""`sys.exit` in a task."""

import asyncio
import sys


async def other():
    try:
        await asyncio.sleep(100)
    finally:
        print("finally")


async def main():
    asyncio.create_task(other())
    await asyncio.sleep(0)
    sys.exit(11)


asyncio.run(main())
