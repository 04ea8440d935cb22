"""A coroutine that nobody awaited, and a task whose error nobody saw."""

import asyncio


async def fails():
    raise ValueError("nobody sees it")


async def main():
    main.task = asyncio.create_task(fails())
    await asyncio.sleep(0)
    await asyncio.sleep(0)


asyncio.run(main())
coroutine = main()
print("end")
