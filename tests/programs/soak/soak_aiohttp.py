"""A soak over one ``aiohttp.ClientSession``. Arguments: see ``plan``."""

from __future__ import annotations

import asyncio

import aiohttp
from plan import REDIRECTS, Soak, Task


async def fetch(session: aiohttp.ClientSession, task: Task) -> tuple[int, bytes]:
    timeout = aiohttp.ClientTimeout(total=None, sock_read=task.timeout)
    asked = session.request(
        task.method, task.url, data=task.posted, timeout=timeout, max_redirects=REDIRECTS
    )
    async with asked as response:
        return response.status, await response.read()


async def work() -> None:
    async with aiohttp.ClientSession() as session:
        for task in soak.tasks():
            try:
                status, body = await fetch(session, task)
            except Exception as error:
                soak.failed(task, error)
            else:
                soak.answered(task, status, body)


soak = Soak()
asyncio.run(work())
soak.report()
