"""Makes Python behave as without a proxy where the proxy variables point at the broker.

They stay in the environment, for other programs that this one starts.
"""

from . import settings

MYPY = False  # no program pays for `typing`
if MYPY:
    from typing import Any

_OWN = ("127.0.0.1", "localhost", "[::1]", "::1")


def change(module: "Any") -> "None":
    """Changes the module `urllib.request`."""
    stock = module.getproxies_environment

    def getproxies_environment() -> "dict[str, str]":
        """Returns the proxies that the environment names, but the broker."""
        return {scheme: url for scheme, url in stock().items() if not is_broker(url)}

    if module.getproxies is stock:
        module.getproxies = getproxies_environment
    module.getproxies_environment = getproxies_environment


def is_broker(url: "str") -> "bool":
    """Whether the URL of a proxy is the broker's."""
    _, found, rest = url.partition("://")
    authority = (rest if found else url).partition("/")[0].rpartition("@")[2]
    host, _, port = authority.rpartition(":")
    current = settings.CURRENT
    same_host = host == current.host or host.strip("[]") == current.host or host in _OWN
    return same_host and port == str(current.port)
