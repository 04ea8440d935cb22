"""``stripe`` against a fake of its API. Argument: the server's origin."""

from __future__ import annotations

import sys

import stripe
from report import attempt

stripe.api_key = "sk_test_1"
stripe.api_base = sys.argv[1]
stripe.max_network_retries = 2


def create() -> object:
    made = stripe.Customer.create(
        email="ä@example.com", metadata={"order": "1 & 2"}, idempotency_key="key-1"
    )
    return [made.id, made.email, made.metadata.order]


def pages() -> object:
    return [one.id for one in stripe.Customer.list(limit=2).auto_paging_iter()]


def retried() -> object:
    intent = stripe.PaymentIntent.create(amount=100, currency="eur", idempotency_key="key-2")
    return [intent.id, intent.amount]


def declined() -> object:
    try:
        return stripe.Charge.create(amount=1, currency="eur", source="tok_declined")
    except stripe.CardError as error:
        return [error.code, error.http_status, error.user_message, error.request_id]


def client() -> object:
    found = stripe.StripeClient("sk_test_2", base_addresses={"api": sys.argv[1]})
    return found.v1.customers.retrieve("cus_1").id


for action in (create, pages, retried, declined, client):
    attempt(action.__name__, action)
attempt("missing", stripe.Customer.retrieve, "cus_none")
