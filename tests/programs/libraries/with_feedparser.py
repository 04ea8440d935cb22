"""``feedparser`` on a URL. Arguments: see ``columns``."""

from __future__ import annotations

import feedparser  # type: ignore[import-untyped]
from columns import show


def get(base: str) -> object:
    headers = {"X-Test": "yes"}
    feed = feedparser.parse(base + "/feed", request_headers=headers)
    again = feedparser.parse(base + "/feed", etag=feed.etag)
    titles = [entry.title for entry in feed.entries]
    return [feed.bozo, feed.status, feed.feed.title, titles, again.status, len(again.entries)]


def redirects(base: str) -> object:
    feed = feedparser.parse(base + "/redirect/301?to=/feed")
    return [feed.status, feed.href.removeprefix(base), len(feed.entries)]


def plain(base: str) -> object:
    """The parser does not raise errors of the transfer, but stores them."""
    feed = feedparser.parse(base + "/feed")
    if feed.bozo:
        raise feed.bozo_exception
    return feed.status


show({"get": get, "redirects": redirects, "tls": plain, "untrusted": plain, "denied": plain})
