"""Ctrl-C in a task."""

import asyncio


async def main():
    try:
        raise KeyboardInterrupt
    finally:
        print("finally")


asyncio.run(main())
