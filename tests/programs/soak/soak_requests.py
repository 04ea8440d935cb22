"""A soak over one ``requests.Session``. Arguments: see ``plan``."""

from __future__ import annotations

import requests
from plan import REDIRECTS, Soak, Task


def fetch(session: requests.Session, task: Task) -> tuple[int, bytes]:
    response = session.request(task.method, task.url, data=task.posted, timeout=task.timeout)
    return response.status_code, response.content


soak = Soak()
with requests.Session() as session:
    session.max_redirects = REDIRECTS
    for task in soak.tasks():
        try:
            status, body = fetch(session, task)
        except Exception as error:
            soak.failed(task, error)
        else:
            soak.answered(task, status, body)
del session
soak.report()
