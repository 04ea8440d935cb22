"""Turns the broker's errors into the exceptions of the component, with the same texts.

`shim/sandbox_net/errors.py` is the measure; a test compares the two.
"""

import _socket
import errno
import os

MYPY = False  # no program pays for `typing`
if MYPY:
    from typing import Any

_DNS = {
    "not-found": ("EAI_NONAME", "Name or service not known"),
    "temporary": ("EAI_AGAIN", "Temporary failure in name resolution"),
    "failed": ("EAI_FAIL", "Non-recoverable failure in name resolution"),
}
_PHASES = {
    "resolve": "name resolution",
    "connect": "the TCP handshake",
    "tls": "the TLS handshake",
    "request": "sending the request",
    "head": "waiting for the response",
    "body": "reading the response body",
}
# What each limit bounds, and the key of the policy's budgets that sets it.
_SET_BY = {
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
_REACHED_AT_ONCE = (
    "response-head-size",
    "connections",
    "request-rate",
    "host-memory",
    "connection-rate",
)
_LOOKUPS_AT_ONCE = "lookups-at-once"
_FIXED = {"request-head-size": "send fewer or shorter fields"}
_PLAIN = {
    "refused": errno.ECONNREFUSED,
    "unreachable": errno.ENETUNREACH,
    "reset": errno.ECONNRESET,
    "closed": errno.EBADF,
}
# How the broker's sentences about TLS begin, which the component's texts do not.
_TLS_STARTS = ("certificate verification failed: ", "TLS failed: ")
# What the network itself, or TLS, does to a connection. All other errors are sandbox-net's own.
_OF_NETWORK = ("dns", "refused", "unreachable", "reset", "tls", "closed")
_REFUSAL = "_sandbox_net_refusal"


def refusal(error: "OSError") -> "OSError":
    """Marks `error` as sandbox-net's own, which clients must not lose."""
    setattr(error, _REFUSAL, True)
    return error


def is_refusal(error: "BaseException | None") -> "bool":
    """Whether `error` is sandbox-net's own: a denial, a budget, a broker that is away."""
    return getattr(error, _REFUSAL, False)


def is_told_once(error: "BaseException") -> "bool":
    """Whether a socket raises `error` once and is then at its end, as a kernel's does."""
    return isinstance(error, ConnectionError)


def again(error: "OSError") -> "OSError":
    """Copies an error to raise it again: a raised one keeps the frames that it passed."""
    fresh = type(error)(*error.args)
    fresh.__dict__.update(error.__dict__)
    if hasattr(fresh, "__notes__"):
        fresh.__notes__ = list(fresh.__notes__)
    return fresh


def gai_error(name: "str", text: "str") -> "OSError":
    """Makes a `gaierror` by the name of its code."""
    return _socket.gaierror(getattr(_socket, name), text)


def unknown_name() -> "OSError":
    """Makes the error for a host that does not exist."""
    return gai_error("EAI_NONAME", "Name or service not known")


def no_address() -> "OSError":
    """Makes the error for a name without an address of the family."""
    name = "EAI_NODATA" if hasattr(_socket, "EAI_NODATA") else "EAI_NONAME"
    return gai_error(name, "No address associated with hostname")


def broker_error(kind: "type[OSError]", where: "str", text: "str") -> "OSError":
    """Makes the error for a broker that is away, or that is none; `where` is its address."""
    is_refused = kind is ConnectionRefusedError
    number = errno.ECONNREFUSED if is_refused else errno.ECONNRESET
    return refusal(kind(number, f"sandbox-net: the broker at {where} {text}"))


def is_of_one_host(error: "dict[str, object]") -> "bool":
    """Whether another host may still be connected to: an allowed one, or one used before."""
    code = error.get("code")
    return code == "denied" or (code == "limit" and error.get("limit") == "hosts")


def exception_for(error: "dict[str, object]", host: "str" = "") -> "OSError":
    """Returns CPython's exception for an error of the broker; `host` is the peer's name."""
    exception = _exception_for(error, host)
    return exception if error.get("code") in _OF_NETWORK else refusal(exception)


def lookup_exception_for(error: "dict[str, object]", host: "str") -> "OSError":
    """As `exception_for`, for a lookup: there `connections` bounds the lookups under way."""
    if error.get("code") == "timeout":
        return _socket.gaierror(_socket.EAI_AGAIN, _DNS["temporary"][1])
    if error.get("code") != "limit" or error.get("limit") != "connections":
        return exception_for(error, host)
    value = error.get("value")
    most = "" if value is None else f" (at most {value})"
    text = (
        "sandbox-net: the host's limit {} was reached: too many names are being looked up at "
        "once{}; wait until some of the lookups are over"
    )
    reached = OSError(errno.ENOBUFS, text.format(_LOOKUPS_AT_ONCE, most))
    return refusal(_with(reached, limit=_LOOKUPS_AT_ONCE, limit_value=value))


def _with(error: "OSError", **values: "Any") -> "OSError":
    """Adds values for programs that do not want to parse the text."""
    error.__dict__.update(values)
    return error


def _exception_for(error: "dict[str, object]", host: "str") -> "OSError":
    code = str(error.get("code", ""))
    text = str(error.get("message") or "")
    if code == "denied":
        return _denied(error, text)
    if code == "dns":
        return gai_error(*_DNS.get(str(error.get("failure")), _DNS["failed"]))
    if code == "timeout":
        phase = str(error.get("phase"))
        told = f"the host's deadline passed during {_PHASES.get(phase, phase)}"
        return TimeoutError(errno.ETIMEDOUT, told)
    if code == "tls":
        from . import certificates

        for start in _TLS_STARTS:
            text = text[len(start) :] if text.startswith(start) else text
        fault = error.get("certificate")
        if isinstance(fault, str):
            return certificates.certificate_error(fault, host, text)
        return certificates.failure_error(text)
    if code == "limit":
        limit, value = str(error.get("limit")), error.get("value")
        reached = OSError(errno.ENOBUFS, _limit_text(limit, value, error.get("can_be_raised")))
        return _with(reached, limit=limit, limit_value=value)
    if code in _PLAIN:
        return OSError(_PLAIN[code], os.strerror(_PLAIN[code]))
    if code == "invalid":
        return OSError(errno.EINVAL, f"sandbox-net: {text}")
    if code in ("unauthorized", "forbidden"):
        return PermissionError(errno.EACCES, f"sandbox-net: {text}")
    return OSError(errno.EPROTO, "sandbox-net: {}".format(text or "the broker's error " + code))


def _denied(error: "dict[str, object]", text: "str") -> "OSError":
    reason, rule = str(error.get("reason", "")), str(error.get("rule") or "")
    text = text or "refused by the sandbox's network policy"
    if rule and rule not in text:
        text = f"{text} (rule {rule})"
    denied = PermissionError(errno.EACCES, text)  # type: OSError
    if reason == "tls-options":
        from . import certificates

        denied = certificates.ssl_error(None, None, text, number=0)
    return _with(denied, deny_reason=reason, deny_rule=rule)


def _limit_text(limit: "str", value: "Any", can_be_raised: "Any") -> "str":
    """Says what was reached, and who can change it how."""
    reached = f"sandbox-net: the host's limit {limit} was reached"
    if limit in _SET_BY:
        what, key = _SET_BY[limit]
        bound = _bound_text(limit, key, value, can_be_raised)
        return f"{reached}: {what}{bound}"
    return f"{reached}: {_FIXED[limit]}" if limit in _FIXED else reached


def _bound_text(limit: "str", key: "str", value: "Any", can_be_raised: "Any") -> "str":
    if value is None:
        text = "; whoever runs this program sets it as '{}' in the policy's [budgets]"
        return text.format(key)
    if can_be_raised:
        how = "reached" if limit in _REACHED_AT_ONCE else "used up"
        text = (
            ". The budget {key} = {value} is {how}; whoever runs this program can raise '{key}' "
            "in the policy's [budgets]"
        )
        return text.format(key=key, value=value, how=how)
    text = ". It is {key} = {value}; '{key}' in the policy's [budgets] can only lower it"
    return text.format(key=key, value=value)
