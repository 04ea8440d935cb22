"""Tasks and asynchronous generators that `asyncio.run` leaves."""

import asyncio


async def numbers():
    try:
        yield 1
        yield 2
    finally:
        print("generator closed")


async def waits():
    try:
        await asyncio.sleep(100)
    except asyncio.CancelledError:
        print("cancelled")
        raise
    finally:
        print("finally")


async def main():
    task = asyncio.create_task(waits())
    generator = numbers()
    print(await anext(generator))
    await asyncio.sleep(0)
    print("end of main", task.done())
    main.generator = generator


asyncio.run(main())
print("end")
