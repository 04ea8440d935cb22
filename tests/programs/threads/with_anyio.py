"""anyio's threads and files."""

import tempfile
import time

import anyio
from anyio import Path, from_thread, open_file, to_thread


def back() -> object:
    from_thread.run(anyio.sleep, 0.01)
    return from_thread.run_sync(lambda: "back")


async def main() -> None:
    print(await to_thread.run_sync(pow, 2, 3))
    path = Path(tempfile.mkdtemp()) / "file"
    async with await open_file(path, "w") as file:
        await file.write("one\ntwo\n")
    async with await open_file(path) as file:
        print([line async for line in file])
    print(await path.read_text(), await path.exists())
    print(await to_thread.run_sync(back))
    try:
        await to_thread.run_sync(divmod, 1, 0)
    except ZeroDivisionError as error:
        print(type(error).__name__)
    found = []
    async with anyio.create_task_group() as group:
        for number in range(3):
            group.start_soon(to_thread.run_sync, found.append, number)
    print(sorted(found))
    with anyio.move_on_after(0.05) as scope:
        await to_thread.run_sync(time.sleep, 0.3, abandon_on_cancel=True)
    print(scope.cancelled_caught)


anyio.run(main)
