"""A loop that nobody closed, with a task that waits in it."""

import asyncio


async def waits():
    try:
        await asyncio.sleep(100)
    finally:
        print("finally")


loop = asyncio.new_event_loop()
asyncio.set_event_loop(loop)
task = loop.create_task(waits())
loop.run_until_complete(asyncio.sleep(0))
print("end")
