"""``slack_sdk`` against a fake of its API. Argument: the server's origin."""

from __future__ import annotations

import asyncio
import sys

from report import attempt, pattern
from slack_sdk import WebClient
from slack_sdk.http_retry.builtin_handlers import RateLimitErrorRetryHandler
from slack_sdk.web.async_client import AsyncWebClient
from slack_sdk.webhook import WebhookClient

ORIGIN = sys.argv[1]
CLIENT = WebClient(token="xoxb-1", base_url=f"{ORIGIN}/api/")
CLIENT.retry_handlers.append(RateLimitErrorRetryHandler(max_retry_count=1))


def post() -> object:
    said = CLIENT.chat_postMessage(channel="C1", text="grüße", blocks=[{"type": "divider"}])
    return [said["ok"], said["ts"], said.status_code]


def pages() -> object:
    return [[one["id"] for one in page["channels"]] for page in CLIENT.conversations_list(limit=2)]


def upload() -> object:
    made = CLIENT.files_upload_v2(
        channel="C1", content=pattern(20_000), filename="data.bin", title="data"
    )
    return [one["id"] for one in made["files"]]


def limited() -> object:
    return CLIENT.users_info(user="U1")["user"]["name"]


def webhook() -> object:
    said = WebhookClient(f"{ORIGIN}/hook/T1").send(text="hello")
    return [said.status_code, said.body]


def asynchronous() -> object:
    async def ask() -> object:
        client = AsyncWebClient(token="xoxb-1", base_url=f"{ORIGIN}/api/")
        answers = await asyncio.gather(*(client.auth_test() for _ in range(3)))
        return [answer["user"] for answer in answers]

    return asyncio.run(ask())


for action in (post, pages, upload, limited, webhook, asynchronous):
    attempt(action.__name__, action)
attempt("error", CLIENT.chat_delete, channel="C1", ts="0")
