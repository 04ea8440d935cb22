"""``notion-client`` against a fake of its API. Argument: the server's origin."""

from __future__ import annotations

import asyncio
import sys

from notion_client import APIResponseError, AsyncClient, Client
from notion_client.helpers import iterate_paginated_api
from report import attempt

CLIENT = Client(auth="secret_1", base_url=sys.argv[1])


def create() -> object:
    title = [{"text": {"content": "Grüße"}}]
    made = CLIENT.pages.create(parent={"page_id": "p1"}, properties={"title": {"title": title}})
    return made["id"]


def pages() -> object:
    return [user["id"] for user in iterate_paginated_api(CLIENT.users.list, page_size=2)]


def missing() -> object:
    try:
        return CLIENT.pages.retrieve("none")
    except APIResponseError as error:
        return [str(error.code), error.status, str(error)]


def asynchronous() -> object:
    async def ask() -> object:
        async with AsyncClient(auth="secret_1", base_url=sys.argv[1]) as client:
            found = await asyncio.gather(*(client.users.retrieve(f"u{i}") for i in range(3)))
            return [user["id"] for user in found]

    return asyncio.run(ask())


for action in (create, pages, missing, asynchronous):
    attempt(action.__name__, action)
