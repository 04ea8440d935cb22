"""``openai`` against a fake of its API. Argument: the server's origin."""

from __future__ import annotations

import asyncio
import sys

import openai
from report import attempt

CLIENT = openai.OpenAI(api_key="sk-1", base_url=f"{sys.argv[1]}/v1", max_retries=2)
MESSAGES = [{"role": "user", "content": "Grüße?"}]


def complete() -> object:
    said = CLIENT.chat.completions.create(model="m", messages=MESSAGES)
    return [said.choices[0].message.content, said.usage.total_tokens]


def stream() -> object:
    pieces = CLIENT.chat.completions.create(model="m", messages=MESSAGES, stream=True)
    return [piece.choices[0].delta.content for piece in pieces]


def models() -> object:
    return [model.id for model in CLIENT.models.list()]


def upload() -> object:
    return CLIENT.files.create(file=("a.jsonl", b'{"a": 1}\n'), purpose="batch").id


def refused() -> object:
    try:
        return CLIENT.with_options(api_key="sk-bad").models.retrieve("m").id
    except openai.AuthenticationError as error:
        return [error.status_code, error.code, error.message]


def asynchronous() -> object:
    async def ask() -> object:
        client = openai.AsyncOpenAI(api_key="sk-1", base_url=f"{sys.argv[1]}/v1")
        found = []
        async with client:
            said = await client.chat.completions.create(model="m", messages=MESSAGES, stream=True)
            async for piece in said:
                found.append(piece.choices[0].delta.content)
        return found

    return asyncio.run(ask())


for action in (complete, stream, models, upload, refused, asynchronous):
    attempt(action.__name__, action)
