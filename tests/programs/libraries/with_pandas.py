"""``pandas.read_csv`` and ``pandas.read_json`` on a URL. Arguments: see ``columns``."""

from __future__ import annotations

import pandas  # type: ignore[import-untyped]
from columns import show


def get(base: str) -> object:
    rows = pandas.read_csv(base + "/csv")
    table = pandas.read_json(base + "/table.json")
    return [int(rows["value"].sum()), list(rows["name"]), int(table["value"].sum())]


def redirects(base: str) -> object:
    return int(pandas.read_csv(base + "/redirect/302?to=/csv")["value"].sum())


def plain(base: str) -> object:
    return int(pandas.read_csv(base + "/csv")["value"].sum())


show({"get": get, "redirects": redirects, "tls": plain, "untrusted": plain, "denied": plain})
