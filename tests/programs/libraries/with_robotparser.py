"""``urllib.robotparser``. Arguments: see ``columns``."""

from __future__ import annotations

import urllib.robotparser

from columns import show


def _read(url: str) -> urllib.robotparser.RobotFileParser:
    parser = urllib.robotparser.RobotFileParser(url)
    parser.read()
    return parser


def get(base: str) -> object:
    rules = _read(base + "/robots.txt")
    asked = [("friendly", "/"), ("friendly", "/private/x"), ("other", "/")]
    missing, secret = _read(base + "/status/404"), _read(base + "/status/403")
    return [
        [rules.can_fetch(agent, base + path) for agent, path in asked],
        rules.crawl_delay("friendly"),
        rules.site_maps(),
        [missing.can_fetch("other", base), secret.can_fetch("other", base)],
    ]


def redirects(base: str) -> object:
    return _read(base + "/redirect/301?to=/robots.txt").crawl_delay("friendly")


def plain(base: str) -> object:
    return _read(base + "/robots.txt").crawl_delay("friendly")


show({"get": get, "redirects": redirects, "tls": plain, "untrusted": plain, "denied": plain})
