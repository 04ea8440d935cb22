"""Reads where the broker is, and how this patch behaves, from the environment."""

import os
import sys

MYPY = False  # no program pays for `typing`
if MYPY:
    from typing import Any

_LEVELS = ("off", "error", "warn", "info", "debug")
_DEFAULT_HOST = "127.0.0.1"
_DEFAULT_PORT = 6969
_OFF = ("0", "false", "no", "off")


class Settings:
    """What the variables `SANDBOX_NET_*` say."""

    __slots__ = ("ca", "enabled", "host", "level", "path", "port", "token")

    def __init__(self, environ: "Any") -> "None":
        get = environ.get
        self.enabled = get("SANDBOX_NET_ENABLED", "1").strip().lower() not in _OFF
        self.host = get("SANDBOX_NET_BROKER_HOST") or _DEFAULT_HOST  # type: str
        self.port = _port(get("SANDBOX_NET_BROKER_PORT"))
        # A Unix socket; it wins over host and port.
        self.path = get("SANDBOX_NET_BROKER_SOCKET") or ""  # type: str
        self.token = get("SANDBOX_NET_BROKER_TOKEN") or ""  # type: str
        self.ca = get("SANDBOX_NET_CA") or ""  # type: str
        level = get("SANDBOX_NET_LOG_LEVEL", "error").strip().lower()
        self.level = _LEVELS.index(level) if level in _LEVELS else 1

    @property
    def where(self) -> "str":
        """The broker's address, for texts."""
        if self.path:
            return self.path
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"

    @property
    def authority(self) -> "str":
        """The `Host` of a request to the broker."""
        return "localhost" if self.path else self.where


def _port(text: "str | None") -> "int":
    if text is None or not text.strip():
        return _DEFAULT_PORT
    port = int(text) if text.strip().isdigit() else 0
    if not 0 < port <= 0xFFFF:
        raise ValueError(f"SANDBOX_NET_BROKER_PORT is {text!r}: give a port, 1-65535")
    return port


def log(level: "str", text: "str") -> "None":
    """Writes a line to stderr, if `SANDBOX_NET_LOG_LEVEL` asks for lines of this level."""
    if CURRENT.level >= _LEVELS.index(level) and sys.stderr is not None:
        sys.stderr.write(f"sandbox-net: {text}\n")


CURRENT = Settings(os.environ)
