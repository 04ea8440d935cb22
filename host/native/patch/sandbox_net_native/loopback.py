"""Reaches servers on the machine's loopback from a run that has a loopback of its own.

In `sandbox-net native run` a server that the program started is on the run's own loopback. It comes
first. Where none listens, the broker is asked for the machine's, which the policy may allow.
"""

import _socket
import errno

from . import settings
from .errors import exception_for, refusal
from .wire import RAW

MYPY = False  # no program pays for `typing`
if MYPY:
    from typing import Any

# A connect on loopback is over at once, unless the server's queue is full.
_AT_ONCE = 1.0


def connect(sock: "_socket.socket", direct: "Any", hosts: "tuple[str, ...]") -> "bool":
    """Connects on the run's own loopback; returns whether the broker is to be asked instead."""
    if not hosts:
        RAW.connect(sock, direct)
        return False
    timeout = RAW.gettimeout(sock)
    try:
        if timeout == 0:
            RAW.settimeout(sock, _AT_ONCE)
        RAW.connect(sock, direct)
        return False
    except ConnectionRefusedError:
        return True
    except _socket.timeout:
        if timeout == 0:
            raise BlockingIOError(errno.EINPROGRESS, "Operation now in progress") from None
        raise
    finally:
        RAW.settimeout(sock, timeout)


def is_shared() -> "bool":
    """Whether this run has a loopback of its own, and the machine's is another."""
    return bool(settings.CURRENT.confined)


def exception(error: "dict[str, object]", host: "str") -> "OSError":
    """Returns the error for a port at which nothing of the run listens.

    If the policy denies the machine's, it is the error of a port that is closed, because programs
    wait for their own servers by it.
    """
    if error.get("code") != "denied":
        return exception_for(error, host)
    text = (
        "Connection refused: no server of this run listens there, and on the host's own machine {}"
    )
    return refusal(
        ConnectionRefusedError(
            errno.ECONNREFUSED, text.format(error.get("message") or "it is denied")
        )
    )
