"""Turns the host's errors into the exceptions that CPython raises for the same fault."""

import copy
import errno
import os
import struct
from typing import Final

from . import constants
from .channel import ChannelError
from .ssl_errors import NAME_MISMATCH, certificate_error, failure_error, ssl_error
from .stock import gaierror

# Codes of error replies (`adapter/FRAMES.md`); the order is that of `types.error-code` plus one.
# Generated from adapter/frames.toml by `cargo run -p xtask -- frames`: codes.
DENIED = 1
DNS = 2
REFUSED = 3
UNREACHABLE = 4
RESET = 5
TIMEOUT = 6
TLS = 7
PROTOCOL = 8
LIMIT = 9
CLOSED = 10
INVALID = 11

# The adapter's own.
FRAME = 128
VERSION = 129
COMMAND = 130
HANDLE = 131
HANDLES = 132
SIZE = 133
MEMORY = 134
# End of what is generated.

DENY_REASONS = (
    "no-rule",
    "address",
    "host-mismatch",
    "tls-options",
    "method",
    "field",
    "deny-rule",
    "hook",
    "secret",
    "audit",
    "malformed",
)
_TLS_OPTIONS = DENY_REASONS.index("tls-options")
PHASES = (
    "name resolution",
    "the TCP handshake",
    "the TLS handshake",
    "sending the request",
    "waiting for the response",
    "reading the response body",
)
LIMITS = (
    "response-head-size",
    "connections",
    "request-head-size",
    "requests",
    "request-rate",
    "bytes-up",
    "bytes-down",
    "hosts",
    "time",
    "host-memory",
    "lookups",
    "connection-rate",
    "denials",
)
# What each of them bounds, and the key of the policy's budgets that sets it.
_SET_BY: Final = {
    "response-head-size": ("the head of a response is too large", "response_head"),
    "connections": ("too many connections are open at once", "connections"),
    "requests": ("no more requests are sent", "requests"),
    "request-rate": ("too many requests in a second", "requests_per_second"),
    "bytes-up": ("no more bytes are sent", "bytes_up"),
    "bytes-down": ("no more bytes are received", "bytes_down"),
    "hosts": ("no other host is connected to", "hosts"),
    "time": ("the time for the network is over", "seconds"),
    "host-memory": ("the host holds too much for this program at once", "host_memory"),
    "lookups": ("no more names are looked up", "lookups"),
    "connection-rate": ("too many connections in a second", "connections_per_second"),
    "denials": ("too much was denied, and nothing is allowed any more", "denials"),
}
# Those on a rate, a size, or on what is held at once; the others are used up.
_REACHED_AT_ONCE: Final = frozenset(
    ("response-head-size", "connections", "request-rate", "host-memory", "connection-rate")
)
_LOOKUPS_AT_ONCE: Final = "lookups-at-once"
_FIXED: Final = {"request-head-size": "send fewer or shorter fields"}
TLS_OTHER = 255

_DNS = (
    ("EAI_NONAME", "Name or service not known"),
    ("EAI_AGAIN", "Temporary failure in name resolution"),
    ("EAI_FAIL", "Non-recoverable failure in name resolution"),
)
_PLAIN = {
    REFUSED: errno.ECONNREFUSED,
    UNREACHABLE: errno.ENETUNREACH,
    RESET: errno.ECONNRESET,
    CLOSED: errno.EBADF,
    HANDLE: errno.EBADF,
    HANDLES: errno.EMFILE,
    MEMORY: errno.ENOMEM,
}
_TEXT = {INVALID: errno.EINVAL, SIZE: errno.EMSGSIZE}

# What the network itself, or TLS, does to a connection. All other errors are sandbox-net's own.
_OF_NETWORK = frozenset((DNS, REFUSED, UNREACHABLE, RESET, TLS, CLOSED))

_REFUSAL: Final = "_sandbox_net_refusal"


def refusal(error: OSError) -> OSError:
    """Marks `error` as sandbox-net's own, which clients must not lose."""
    setattr(error, _REFUSAL, True)
    return error


def is_refusal(error: BaseException | None) -> bool:
    """Whether `error` is sandbox-net's own: a denial, a budget, something unsupported."""
    return getattr(error, _REFUSAL, False)


def is_told_once(error: OSError) -> bool:
    """Whether a socket raises `error` once and is then at its end, as a kernel's does."""
    return isinstance(error, ConnectionError)


def again(error: OSError) -> OSError:
    """Copies an error to raise it again: a raised one keeps the frames that it passed."""
    fresh = copy.copy(error)
    if hasattr(fresh, "__notes__"):
        fresh.__notes__ = list(fresh.__notes__)
    return fresh


def os_error(number: int, text: str = "") -> OSError:
    """Makes the `OSError` of `number`, with the system's own text unless another is given."""
    return OSError(number, text or os.strerror(number))


def would_block() -> OSError:
    """Makes the error of a non-blocking socket that would have to wait."""
    return os_error(errno.EAGAIN)


def unsupported(text: str) -> OSError:
    """Makes the error for something that sandbox-net does not support."""
    return refusal(OSError(errno.EPROTONOSUPPORT, f"sandbox-net: {text}"))


def timed_out() -> TimeoutError:
    """Makes the error of a socket whose own timeout has passed."""
    return TimeoutError("timed out")


def gai_error(name: str, text: str) -> OSError:
    """Makes a `gaierror` by the name of its code."""
    return gaierror(constants.SOCKET[name], text)


def _name(names: tuple[str, ...], index: int) -> str:
    return names[index] if index < len(names) else str(index)


def is_denied_setting(error: ChannelError) -> bool:
    """Whether the policy does not grant the settings of a TLS session."""
    return error.code == DENIED and error.detail == _TLS_OPTIONS


def is_name_mismatch(error: ChannelError) -> bool:
    """Whether a certificate is for another name."""
    return error.code == TLS and error.detail == NAME_MISMATCH


def is_of_tls(error: ChannelError) -> bool:
    """Whether TLS failed or was refused, and not the connection below it."""
    return error.code == TLS or is_denied_setting(error)


def _denied(error: ChannelError) -> OSError:
    rule = error.rest.decode("utf-8", "replace")
    text = error.text or "refused by the sandbox's network policy"
    if rule and rule not in text:
        text = f"{text} (rule {rule})"
    denied: OSError = PermissionError(errno.EACCES, text)
    if is_denied_setting(error):
        denied = ssl_error(None, None, text, number=0)
    # For programs that do not want to parse the text.
    denied.deny_reason = _name(DENY_REASONS, error.detail)  # type: ignore[attr-defined]
    denied.deny_rule = rule  # type: ignore[attr-defined]
    return denied


_BOUND: Final = struct.Struct("<Q?")


def _bound(error: ChannelError) -> tuple[int | None, bool]:
    """Returns what a limit allows, and whether the policy may allow more."""
    if len(error.rest) != _BOUND.size:
        return None, False
    return _BOUND.unpack(error.rest)


def _bound_text(limit: str, key: str, error: ChannelError) -> str:
    value, can_be_raised = _bound(error)
    if value is None:
        return f"; whoever runs this program sets it as '{key}' in the policy's [budgets]"
    if can_be_raised:
        how = "reached" if limit in _REACHED_AT_ONCE else "used up"
        return (
            f". The budget {key} = {value} is {how}; whoever runs this program can raise "
            f"'{key}' in the policy's [budgets]"
        )
    return f". It is {key} = {value}; '{key}' in the policy's [budgets] can only lower it"


def _limit_text(limit: str, error: ChannelError) -> str:
    """Says what was reached, and who can change it how."""
    reached = f"sandbox-net: the host's limit {limit} was reached"
    if error.text:
        return f"{reached}. {error.text}"
    if limit in _SET_BY:
        what, key = _SET_BY[limit]
        return f"{reached}: {what}{_bound_text(limit, key, error)}"
    return f"{reached}: {_FIXED[limit]}" if limit in _FIXED else reached


def _tls(error: ChannelError, host: str) -> OSError:
    if error.detail != TLS_OTHER:
        return certificate_error(error.detail, host, error.text)
    return failure_error(error.text)


def exception_for(error: ChannelError, host: str = "") -> OSError:
    """Returns CPython's exception for an error reply; `host` is the peer's name, for texts."""
    exception = _exception_for(error, host)
    return exception if error.code in _OF_NETWORK else refusal(exception)


def lookup_exception_for(error: ChannelError, host: str) -> OSError:
    """As `exception_for`, for a lookup: there `connections` bounds the lookups under way."""
    if error.code != LIMIT or _name(LIMITS, error.detail) != "connections":
        return exception_for(error, host)
    value, _ = _bound(error)
    most = "" if value is None else f" (at most {value})"
    reached = OSError(
        errno.ENOBUFS,
        f"sandbox-net: the host's limit {_LOOKUPS_AT_ONCE} was reached: too many names are being "
        f"looked up at once{most}; wait until some of the lookups are over",
    )
    reached.limit = _LOOKUPS_AT_ONCE  # type: ignore[attr-defined]
    reached.limit_value = value  # type: ignore[attr-defined]
    return refusal(reached)


def is_of_one_host(error: ChannelError) -> bool:
    """Whether another host may still be connected to: an allowed one, or one used before."""
    return error.code == DENIED or (error.code == LIMIT and _name(LIMITS, error.detail) == "hosts")


def _exception_for(error: ChannelError, host: str) -> OSError:
    code, text = error.code, error.text
    if code == DENIED:
        return _denied(error)
    if code == DNS:
        return gai_error(*_DNS[min(error.detail, len(_DNS) - 1)])
    if code == TIMEOUT:
        phase = _name(PHASES, error.detail)
        return TimeoutError(errno.ETIMEDOUT, text or f"the host's deadline passed during {phase}")
    if code == TLS:
        return _tls(error, host)
    if code == LIMIT:
        limit = _name(LIMITS, error.detail)
        reached = OSError(errno.ENOBUFS, _limit_text(limit, error))
        # For programs that do not want to parse the text.
        reached.limit = limit  # type: ignore[attr-defined]
        reached.limit_value = _bound(error)[0]  # type: ignore[attr-defined]
        return reached
    if code in _PLAIN:
        return os_error(_PLAIN[code], text)
    if code in _TEXT:
        return OSError(_TEXT[code], f"sandbox-net: {text or 'a frame that is too large'}")
    return OSError(errno.EPROTO, f"sandbox-net: {text or f'channel error {code}'}")
