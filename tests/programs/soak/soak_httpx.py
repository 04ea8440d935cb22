"""A soak over one ``httpx.Client``. Arguments: see ``plan``."""

from __future__ import annotations

import httpx
from plan import REDIRECTS, Soak, Task


def fetch(client: httpx.Client, task: Task) -> tuple[int, bytes]:
    response = client.request(task.method, task.url, content=task.posted, timeout=task.timeout)
    return response.status_code, response.content


soak = Soak()
with httpx.Client(follow_redirects=True, max_redirects=REDIRECTS) as client:
    for task in soak.tasks():
        try:
            status, body = fetch(client, task)
        except Exception as error:
            soak.failed(task, error)
        else:
            soak.answered(task, status, body)
del client
soak.report()
