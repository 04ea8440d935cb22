"""``twilio`` against a fake of its API. Argument: the server's origin."""

from __future__ import annotations

import sys

from report import attempt
from twilio.base.exceptions import TwilioRestException
from twilio.rest import Client

CLIENT = Client("AC1", "token")
CLIENT.api.base_url = sys.argv[1]


def send() -> object:
    said = CLIENT.messages.create(to="+491", from_="+492", body="Grüße & mehr")
    return [said.sid, said.status, str(said.date_created)]


def pages() -> object:
    return [message.sid for message in CLIENT.messages.list(page_size=2)]


def delete() -> object:
    return CLIENT.messages("SM1").delete()


def refused() -> object:
    try:
        return CLIENT.messages.create(to="nobody", from_="+492", body="")
    except TwilioRestException as error:
        return [error.status, error.code, error.msg, error.uri]


for action in (send, pages, delete, refused):
    attempt(action.__name__, action)
